// runner-test-agent MODE [ARGUMENT...]: an agent that does one thing, usually a wrong one. It
// reports on stdout. All of its processes end by themselves after a while, so that a failed test
// leaves none for long.

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <signal.h>
#include <unistd.h>

#include "tests/support/test_agent/modes.h"

namespace runner::test_agent {
namespace {

// Longer than the lifetime: a flood of gigabytes takes a while.
constexpr unsigned kWatchdogSeconds = 300;

struct Mode {
  std::function<int()> run;
  const char* help;
};
using Modes = std::map<std::string, Mode>;

Modes ShowingModes(const std::vector<std::string>& arguments) {
  return {
      {"environment", {PrintEnvironment, "prints its environment"}},
      {"arguments",
       {[&arguments] {
          for (const std::string& argument : arguments) Print(argument + "\n");
          return 0;
        },
        "prints its arguments"}},
      {"descriptors", {PrintDescriptors, "prints its open descriptors"}},
      {"signals", {PrintSignals, "prints blocked and ignored signals, and no_new_privs"}},
      {"session", {PrintSession, "prints 1 if it leads its own session and group"}},
      {"directory", {PrintDirectory, "prints its working directory"}},
      {"stdin", {CopyStdin, "copies stdin to stdout"}},
  };
}

Modes EndingModes(std::size_t number) {
  return {
      {"exit", {[=] { return static_cast<int>(number); }, "exits with N"}},
      {"signal",
       {[=]() -> int {
          ::raise(static_cast<int>(number));
          SleepOut();
        },
        "dies of signal N"}},
      {"close-stdio", {CloseStdio, "closes 0, 1 and 2 and exits with 7"}},
      {"sleep", {[]() -> int { SleepOut(); }, "does nothing"}},
      {"obey-term", {ObeyTerm, "exits with 0 on SIGTERM"}},
      {"ignore-term", {IgnoreTerm, "ignores SIGTERM"}},
      {"stop-itself", {StopItself, "sends itself SIGSTOP"}},
  };
}

Modes LeavingModes(std::size_t number, const std::string& argument) {
  return {
      {"setsid-child", {LeaveSetsidChild, "leaves a child in its own session"}},
      {"daemon", {LeaveDaemon, "leaves a daemon: setsid, forked twice, ignores SIGTERM"}},
      {"stdout-holder", {LeaveStdoutHolder, "leaves a child that keeps stdout open"}},
      {"hopper", {LeaveHopper, "leaves a process that keeps forking into a new one"}},
      {"zombies", {LeaveZombies, "leaves twenty zombies"}},
      {"storm", {[=] { return LeaveStorm(number, false); }, "forks N (to 2000) that fork in turn"}},
      {"storm-setsid",
       {[=] { return LeaveStorm(number, true); }, "the same, each in its own session"}},
      {"end-traced", {EndTraced, "ends while a descendant traces it"}},
      {"kill-shim", {KillShim, "kills its shim and stays, with a daemon"}},
      {"kill-executor-group",
       {KillExecutorGroup, "sends SIGTERM to the group that the executor leads"}},
      {"signal-executor",
       {[=] { return SignalExecutor(argument); }, "signals its executor in every way, endlessly"}},
      {"look-into-executor", {LookIntoExecutor, "tries to trace, read and write its executor"}},
      {"forge-record", {ForgeRecord, "leaves a forged record and a process, and kills the shim"}},
      {"spoil-result", {SpoilResult, "creates directories in the place of the result"}},
  };
}

Modes UsingModes(std::size_t number) {
  return {
      {"flood", {[=] { return Flood(number, false); }, "prints N bytes between FIRST and LAST"}},
      {"flood-binary", {[=] { return Flood(number, true); }, "the same with all byte values"}},
      {"memory", {[=] { return TouchMemory(number); }, "touches N MiB and stays"}},
      {"fill", {[=] { return FillWorkspace(number); }, "writes N bytes into output/fill, stays"}},
      {"map-removed",
       {[=] { return MapRemoved(number); }, "maps N MiB of a file that it removes, stays"}},
      {"exhaust-descriptors", {ExhaustDescriptors, "opens files until it fails, stays"}},
      {"exhaust-processes",
       {[=] { return ExhaustProcesses(number); }, "forks N times or until it fails, stays"}},
  };
}

Modes ReportModes(std::size_t number, const std::string& argument, std::size_t second) {
  return {
      {"report", {[=] { return WriteReport(number); }, "writes a report of N bytes"}},
      {"report-fifo", {MakeReportFifo, "the report is a FIFO"}},
      {"report-directory", {MakeReportDirectory, "the report is a directory"}},
      {"report-symlink", {[=] { return LinkReport(argument, false); }, "a symbolic link to PATH"}},
      {"report-hardlink", {[=] { return LinkReport(argument, true); }, "a hard link to PATH"}},
      {"report-huge", {MakeHugeReport, "the report is a sparse file of 10 GiB"}},
      {"swap",
       {[=] { return SwapEntries(argument, second); },
        "for N ms swaps report and result.json with links to PATH: swap PATH N"}},
  };
}

std::size_t Number(const std::vector<std::string>& arguments, std::size_t index) {
  return index < arguments.size() ? std::strtoull(arguments[index].c_str(), nullptr, 10) : 0;
}

int Run(const std::string& name, const std::vector<std::string>& arguments) {
  const std::size_t number = Number(arguments, 0);
  const std::string argument = arguments.empty() ? "" : arguments[0];
  Modes modes = ShowingModes(arguments);
  modes.merge(EndingModes(number));
  modes.merge(LeavingModes(number, argument));
  modes.merge(UsingModes(number));
  modes.merge(ReportModes(number, argument, Number(arguments, 1)));
  if (name == "--help") {
    for (const auto& [word, mode] : modes) std::printf("%-20s %s\n", word.c_str(), mode.help);
    return 0;
  }
  const auto found = modes.find(name);
  if (found == modes.end()) {
    std::fprintf(stderr, "runner-test-agent: no mode \"%s\"; --help lists them\n", name.c_str());
    return 64;
  }
  ::alarm(kWatchdogSeconds);
  return found->second.run();
}

}  // namespace
}  // namespace runner::test_agent

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + (argc > 2 ? 2 : argc), argv + argc);
  return runner::test_agent::Run(argc > 1 ? argv[1] : "", arguments);
}
