// Compares the SSE parser with npm's eventsource-parser on random streams, each cut at random by
// either side, or on the files below a folder, each of them many times.
//
//     sse_differential [--streams N] [--seed S]
//     sse_differential --corpus FOLDER [--cuts N] [--seed S]
//
// What a parser told is written as one text, which tests/peers/eventsource-oracle.mjs describes, as
// it does the known differences. Exits 1 on a disagreement, and 77 (skipped) when the oracle cannot
// be started here, unless RUNNER_REQUIRE_PEERS is 1.

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ingest/mcp/protocol/sse_parser.h"
#include "tests/fuzz/sse_differential/node_oracle.h"
#include "tests/fuzz/sse_differential/stream_generator.h"

namespace runner::ingest {
namespace {

constexpr int kSkipped = 77;
constexpr std::size_t kBatch = 2000;

struct Options {
  std::uint64_t streams = 20'000;
  std::uint64_t seed = 1;
  std::string corpus;        // in place of random streams
  std::uint64_t cuts = 100;  // ways in which each of its files is cut
};

// In the order of the oracle's numbers.
constexpr std::array<const char*, 4> kNormalised = {
    "streams with an id in an event without data", "streams with a cut moved behind the BOM",
    "streams with the last line end, a CR, kept in one chunk with what follows",
    "streams with a retry above 2^53 - 1"};

struct Totals {
  std::uint64_t streams = 0;
  std::uint64_t bytes = 0;
  std::uint64_t telling = 0;  // of an event or a retry
  std::array<std::uint64_t, kNormalised.size()> normalised{};
};

std::string Counted(const std::string& text) { return std::to_string(text.size()) + ':' + text; }

// What our parser makes of it, cut at random.
std::string Interpret(std::string_view stream, StreamGenerator& random) {
  constexpr std::int64_t kLargest = (std::int64_t{1} << 53) - 1;
  std::string log;
  SseParser parser(
      {.on_event =
           [&](const SseEvent& event) {
             log += 'E' + Counted(event.type) + Counted(event.last_event_id) + Counted(event.data);
           },
       .on_retry =
           [&](std::chrono::milliseconds delay) {
             log += 'R' + (delay.count() > kLargest ? "large" : std::to_string(delay.count()));
           },
       .on_oversize = [&] { log += "oversize"; }});
  const std::size_t longest = std::array<std::size_t, 4>{1, 3, 10, 200}[random.Below(4)];
  while (!stream.empty()) {
    const std::size_t length = std::min(random.Below(longest + 1), stream.size());
    parser.Put(stream.substr(0, length));
    stream.remove_prefix(length);
  }
  return log + 'C' + std::to_string(parser.comments()) + 'I' + Counted(parser.last_event_id());
}

std::string Escape(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\\' || c < 0x20 || c > 0x7E) {
      std::array<char, 5> hex{};
      std::snprintf(hex.data(), hex.size(), "\\x%02x", static_cast<unsigned char>(c));
      out += hex.data();
    } else {
      out += c;
    }
  }
  return out;
}

// False on a disagreement. An answer begins with what was normalised.
bool Agree(const std::string& stream, const std::string& ours, const std::string& answer,
           Totals& totals) {
  ++totals.streams;
  totals.bytes += stream.size();
  if (ours.starts_with('E') || ours.starts_with('R')) ++totals.telling;
  const unsigned sum = answer.empty() ? 0 : static_cast<unsigned char>(answer[0] - 'a');
  for (std::size_t i = 0; i < kNormalised.size(); ++i) totals.normalised[i] += sum >> i & 1;
  if (!answer.empty() && ours == std::string_view(answer).substr(1)) return true;
  std::printf("stream %llu disagrees: \"%s\"\n  this parser:        %s\n  eventsource-parser: %s\n",
              static_cast<unsigned long long>(totals.streams), Escape(stream).c_str(),
              Escape(ours).c_str(), Escape(std::string_view(answer).substr(1)).c_str());
  return false;
}

// The next streams to compare; none when there are no more.
using NextStreams = std::function<std::vector<std::string>()>;

NextStreams RandomStreams(std::uint64_t count, StreamGenerator& random) {
  return [left = count, &random]() mutable {
    std::vector<std::string> streams(std::min<std::uint64_t>(kBatch, left));
    for (std::string& stream : streams) stream = random.Next();
    left -= streams.size();
    return streams;
  };
}

std::vector<std::string> FilesBelow(const std::string& folder) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.path().filename().string().starts_with('.')) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  if (files.empty()) throw std::runtime_error(folder + ": not a single stream");
  return files;
}

NextStreams CorpusStreams(const Options& options) {
  return [files = FilesBelow(options.corpus), left = options.cuts]() mutable {
    return left == 0 ? std::vector<std::string>() : (--left, files);
  };
}

bool Compare(const Options& options, Totals& totals) {
  StreamGenerator random(options.seed);
  NodeOracle oracle(options.seed);
  const NextStreams next =
      options.corpus.empty() ? RandomStreams(options.streams, random) : CorpusStreams(options);
  for (auto streams = next(); !streams.empty(); streams = next()) {
    oracle.Send(streams);
    // While the oracle is at work.
    std::vector<std::string> ours;
    for (const std::string& stream : streams) ours.push_back(Interpret(stream, random));
    const std::vector<std::string> answers = oracle.Receive();
    if (answers.size() != streams.size()) {
      std::printf("%zu answers to %zu streams\n", answers.size(), streams.size());
      return false;
    }
    for (std::size_t i = 0; i < streams.size(); ++i) {
      if (!Agree(streams[i], ours[i], answers[i], totals)) return false;
    }
  }
  return true;
}

std::optional<std::uint64_t> Number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<Options> ReadOptions(const std::vector<std::string_view>& arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    if (i + 1 == arguments.size()) return std::nullopt;
    if (arguments[i] == "--corpus") {
      options.corpus = arguments[i + 1];
      continue;
    }
    const auto number = Number(arguments[i + 1]);
    std::uint64_t* const to = arguments[i] == "--streams" ? &options.streams
                              : arguments[i] == "--seed"  ? &options.seed
                              : arguments[i] == "--cuts"  ? &options.cuts
                                                          : nullptr;
    if (!number || to == nullptr) return std::nullopt;
    *to = *number;
  }
  return options;
}

int Run(const Options& options) {
  if (const auto missing = NodeOracle::Missing()) {
    const char* const required = std::getenv("RUNNER_REQUIRE_PEERS");
    const bool fail = required != nullptr && std::string_view(required) == "1";
    std::printf("%s: %s\n", fail ? "failed" : "skipped", missing->c_str());
    return fail ? 1 : kSkipped;
  }
  std::printf("seed %llu\n", static_cast<unsigned long long>(options.seed));
  std::fflush(stdout);
  const auto began = std::chrono::steady_clock::now();
  Totals totals;
  const bool agree = Compare(options, totals);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::printf("%llu streams, %llu bytes, %llu with an event or a retry, %.1f s: %s\n",
              static_cast<unsigned long long>(totals.streams),
              static_cast<unsigned long long>(totals.bytes),
              static_cast<unsigned long long>(totals.telling), took.count(),
              agree ? "all agree" : "a disagreement");
  std::printf("excluded: 0; normalised:\n");
  for (std::size_t i = 0; i < kNormalised.size(); ++i) {
    std::printf("  %llu %s\n", static_cast<unsigned long long>(totals.normalised[i]),
                kNormalised[i]);
  }
  return agree ? 0 : 1;
}

}  // namespace
}  // namespace runner::ingest

int main(int argc, char** argv) {
  const auto options = runner::ingest::ReadOptions({argv + 1, argv + argc});
  if (!options) {
    std::fprintf(stderr, "usage: %s [--streams N | --corpus FOLDER [--cuts N]] [--seed S]\n",
                 argv[0]);
    return 2;
  }
  try {
    return runner::ingest::Run(*options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
