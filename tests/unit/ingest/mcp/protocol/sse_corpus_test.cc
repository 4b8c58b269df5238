// What the streams of tests/corpus/sse mean, after WHATWG HTML, section 9.2.6. sse_corpus.txt says
// it for each of them, in the form that Render gives.

#include "tests/unit/ingest/mcp/protocol/sse_corpus.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/ingest/mcp/protocol/sse_recorder.h"

namespace runner::ingest {
namespace {

// Quoted, what is not printable ASCII as in C. Of a long text both ends and the length.
std::string Quoted(std::string_view text) {
  constexpr std::size_t kLong = 200, kEnd = 20;
  if (text.size() > kLong) {
    return Quoted(text.substr(0, kEnd)) + " ... " + Quoted(text.substr(text.size() - kEnd)) + ' ' +
           std::to_string(text.size());
  }
  std::string out = "\"";
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c < ' ' || c > '~') {
      std::array<char, 5> hex{};
      std::snprintf(hex.data(), hex.size(), "\\x%02x", static_cast<unsigned char>(c));
      out += hex.data();
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + '"';
}

// One line for each event with its type and id when it has them, for each retry, for the comments,
// and for the id that a new request would carry when it is not that of the last event.
std::string Render(const SseRecord& record) {
  std::string out;
  std::string last_id;
  for (const SseEvent& event : record.events) {
    out += "event";
    if (!event.type.empty()) out += " type " + Quoted(event.type);
    if (!event.last_event_id.empty()) out += " id " + Quoted(event.last_event_id);
    out += " data " + Quoted(event.data) + '\n';
    last_id = event.last_event_id;
  }
  for (const std::int64_t retry : record.retries) out += "retry " + std::to_string(retry) + '\n';
  if (record.comments > 0) out += "comments " + std::to_string(record.comments) + '\n';
  if (record.oversize > 0) out += "oversize " + std::to_string(record.oversize) + '\n';
  if (record.last_event_id != last_id) out += "last id " + Quoted(record.last_event_id) + '\n';
  return out;
}

// By file name. A file begins with its name in brackets.
std::map<std::string, std::string> Meanings() {
  std::map<std::string, std::string> meanings;
  std::ifstream file(RUNNER_SSE_MEANINGS);
  std::string* meaning = nullptr;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.starts_with('#')) continue;
    if (line.starts_with('[')) {
      meaning = &meanings[line.substr(1, line.size() - 2)];
    } else if (meaning != nullptr) {
      *meaning += line + '\n';
    }
  }
  return meanings;
}

TEST(SseCorpus, EveryFileGivesTheEventsOfTheStandard) {
  auto meanings = Meanings();
  for (const auto& path : SseCorpusFiles()) {
    const std::string name = path.filename().string();
    const auto meaning = meanings.extract(name);
    ASSERT_FALSE(meaning.empty()) << "sse_corpus.txt says nothing of " << name;
    EXPECT_EQ(Render(Parse({ReadBytes(path)})), meaning.mapped()) << name;
  }
  EXPECT_TRUE(meanings.empty()) << "there is no " << meanings.begin()->first;
}

TEST(SseCorpus, EventOfHundredsOfChunksIsWhole) {
  std::string data;
  for (int i = 0; data.size() < 500'000; ++i) data += std::to_string(i) + " \xE2\x82\xAC ";
  const std::string stream = "id: 1\r\ndata: " + data + "\r\ndata: end\r\n\r\n";
  for (const std::size_t length : {1u, 7u, 1'460u, 65'536u, 600'000u}) {
    std::vector<std::string_view> chunks;
    for (std::size_t at = 0; at < stream.size(); at += length) {
      chunks.push_back(std::string_view(stream).substr(at, length));
    }
    const SseRecord record = Parse(chunks);
    ASSERT_EQ(record.events.size(), 1u) << length;
    EXPECT_TRUE(record.events[0].data == data + "\nend") << length;
  }
}

}  // namespace
}  // namespace runner::ingest
