// Runs random histories; see README.md. Exit codes: 0: all invariants held; 1: one was violated,
// and the command to replay it was printed; 2: usage error.

#include <charconv>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "tests/sim/history.h"

namespace runner::sim {
namespace {

constexpr const char* kUsage =
    "usage: runner_sim [--seed S | --seeds N | --seeds A..B] [--steps N] [--trace] [--table]\n"
    "                  [--least N] [--check histories|replay|wall-clock] [--invariants]\n"
    "\n"
    "  --seed S      one history\n"
    "  --seeds A..B  the histories of the seeds A to B - 1; N is 0..N (default 1000)\n"
    "  --steps N     steps with faults (default 400)\n"
    "  --trace       print every step\n"
    "  --table       print how often each transition was taken\n"
    "  --least N     fail if a transition was taken fewer than N times\n"
    "  --check       histories: the invariants (default)\n"
    "                replay: the invariants, and the same seed gives the same trace\n"
    "                wall-clock: the invariants, and jumps of the wall clock change nothing\n"
    "  --invariants  list the invariants\n";

struct Arguments {
  std::uint64_t first = 0;
  std::uint64_t end = 1000;
  HistoryOptions options;
  bool table = false;
  std::optional<std::uint64_t> least;
  bool invariants = false;
  std::string check = "histories";
};

std::optional<std::uint64_t> Number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool SetSeeds(std::string_view text, Arguments& arguments) {
  const std::size_t dots = text.find("..");
  const auto first = dots == std::string_view::npos ? 0 : Number(text.substr(0, dots));
  const auto end = Number(dots == std::string_view::npos ? text : text.substr(dots + 2));
  if (!first || !end) return false;
  arguments.first = *first;
  arguments.end = *end;
  return true;
}

bool SetValue(std::string_view option, std::string_view value, Arguments& arguments) {
  if (option == "--seeds") return SetSeeds(value, arguments);
  if (option == "--check") {
    arguments.check = value;
    return value == "histories" || value == "replay" || value == "wall-clock";
  }
  const auto number = Number(value);
  if (!number) return false;
  if (option == "--seed") {
    arguments.first = *number;
    arguments.end = *number + 1;
    return true;
  }
  if (option == "--least") {
    arguments.least = number;
    return true;
  }
  arguments.options.steps = *number;
  return option == "--steps";
}

std::optional<Arguments> Parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (option == "--trace") {
      arguments.options.trace = Trace::Mode::kPrint;
    } else if (option == "--table") {
      arguments.table = true;
    } else if (option == "--invariants") {
      arguments.invariants = true;
    } else if (i + 1 < argc && SetValue(option, argv[i + 1], arguments)) {
      ++i;
    } else {
      return std::nullopt;
    }
  }
  return arguments;
}

void PrintFinding(const HistoryOptions& options, const HistoryReport& report) {
  const std::string_view name = NameOf(report.finding->invariant);
  std::printf(
      "broken invariant: %.*s\n  seed %llu, step %llu, %.6f s\n  %s\n"
      "  replay: runner_sim --seed %llu --steps %llu --trace\n",
      static_cast<int>(name.size()), name.data(), static_cast<unsigned long long>(options.seed),
      static_cast<unsigned long long>(report.steps), ToSeconds(report.time),
      report.finding->what.c_str(), static_cast<unsigned long long>(options.seed),
      static_cast<unsigned long long>(options.steps));
}

// Runs the same history again with the given `wall_clock_jumps` and compares the traces.
bool SameAgain(HistoryOptions options, const HistoryReport& report, bool wall_clock_jumps) {
  options.wall_clock_jumps = wall_clock_jumps;
  const HistoryReport again = RunHistory(options);
  if (again.hash == report.hash && again.steps == report.steps) return true;
  std::printf("seed %llu: the trace differs %s\n", static_cast<unsigned long long>(options.seed),
              wall_clock_jumps ? "when it is replayed" : "when the wall clock does not jump");
  return false;
}

int Run(const Arguments& arguments) {
  HistoryOptions options = arguments.options;
  if (arguments.check != "histories" && options.trace == Trace::Mode::kOff) {
    options.trace = Trace::Mode::kHash;
  }
  Transitions transitions;
  std::uint64_t steps = 0;
  for (options.seed = arguments.first; options.seed < arguments.end; ++options.seed) {
    const HistoryReport report = RunHistory(options);
    if (report.finding) {
      PrintFinding(options, report);
      return 1;
    }
    if (arguments.check == "replay" && !SameAgain(options, report, true)) return 1;
    if (arguments.check == "wall-clock" && !SameAgain(options, report, false)) return 1;
    transitions.Add(report.transitions);
    steps += report.steps;
  }
  if (arguments.table) std::fputs(transitions.Table().c_str(), stdout);
  if (arguments.least) {
    const std::string wrong = transitions.Against(*arguments.least);
    std::fputs(wrong.c_str(), stdout);
    if (!wrong.empty()) return 1;
  }
  std::printf("%llu histories, %llu steps: every invariant held\n",
              static_cast<unsigned long long>(arguments.end - arguments.first),
              static_cast<unsigned long long>(steps));
  return 0;
}

}  // namespace
}  // namespace runner::sim

int main(int argc, char** argv) {
  const auto arguments = runner::sim::Parse(argc, argv);
  if (!arguments) {
    std::fputs(runner::sim::kUsage, stderr);
    return 2;
  }
  if (arguments->invariants) {
    for (const auto& [name, meaning] : runner::sim::kInvariants) {
      std::printf("%-24.*s%.*s\n", static_cast<int>(name.size()), name.data(),
                  static_cast<int>(meaning.size()), meaning.data());
    }
    return 0;
  }
  return runner::sim::Run(*arguments);
}
