// Measures the cost of a run beyond its agent: starts the same program directly, and through the
// supervisor and its shim, in turn, in one process. --flood measures the capture of output.
//
// The program is its own agent, with --stamp and --write.

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/loop/event_loop.h"
#include "common/observability/logger.h"
#include "executor/runs/supervisor.h"
#include "executor/shim/children.h"

namespace runner::executor {
namespace {

constexpr int kFloodRounds = 3;
constexpr std::uint32_t kWarmUp = 20;  // runs before the measurement
constexpr Duration kPollInterval = std::chrono::milliseconds(2);
constexpr const char* kStampFile = "stamp";

// CLOCK_MONOTONIC, which all processes share.
std::int64_t MonotonicNs() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

// The agents.

// The times at which the agent reached main and ended, measured by the agent.
struct Stamp {
  std::int64_t began = 0;
  std::int64_t ended = 0;
};

[[noreturn]] void RunStampAgent() {
  Stamp stamp;
  stamp.began = MonotonicNs();
  const int file = ::open(kStampFile, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  stamp.ended = MonotonicNs();
  ::_exit(::write(file, &stamp, sizeof stamp) == sizeof stamp ? 0 : 1);
}

[[noreturn]] void RunWriteAgent(std::uint64_t bytes) {
  static char buffer[64 * 1024];
  std::memset(buffer, 'x', sizeof buffer);
  for (std::uint64_t left = bytes; left > 0;) {
    const ssize_t wrote =
        ::write(STDOUT_FILENO, buffer, std::min<std::uint64_t>(left, sizeof buffer));
    if (wrote < 0 && errno != EINTR) ::_exit(1);
    if (wrote > 0) left -= static_cast<std::uint64_t>(wrote);
  }
  ::_exit(0);
}

// The measurement.

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "run_bench: %s\n", what.c_str());
  std::exit(1);
}

std::string OwnPath() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

class TempDir {
 public:
  TempDir() {
    std::string pattern = std::filesystem::temp_directory_path() / "runner-bench.XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) Fail("mkdtemp: " + pattern);
    path_ = pattern;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

Stamp ReadStamp(const std::filesystem::path& directory) {
  Stamp stamp;
  std::ifstream file(directory / kStampFile, std::ios::binary);
  file.read(reinterpret_cast<char*>(&stamp), sizeof stamp);
  if (!file) Fail("no time stamp of the agent in " + directory.string());
  return stamp;
}

struct BareRun {
  std::int64_t start = 0;
  std::int64_t spawned = 0;  // when posix_spawn returned, which is after the exec
  std::int64_t reaped = 0;
};

// Runs the command by posix_spawn and waitid in `directory`, with stdout at /dev/null.
BareRun RunBare(const std::vector<std::string>& command, const std::filesystem::path& directory) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);

  BareRun run;
  pid_t pid = -1;
  run.start = MonotonicNs();
  const int error = ::posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  run.spawned = MonotonicNs();
  if (error != 0) Fail(command[0] + ": " + std::strerror(error));
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0) {
    if (errno != EINTR) Fail("waitid");
  }
  run.reaped = MonotonicNs();
  ::posix_spawn_file_actions_destroy(&actions);
  if (info.si_code != CLD_EXITED || info.si_status != 0) Fail(command[0] + " failed");
  return run;
}

struct SupervisedRun {
  std::int64_t start = 0;
  std::int64_t told_started = 0;
  std::int64_t told_finished = 0;
  std::filesystem::path workspace;
};

// Runs one agent at a time through a supervisor. Belongs to the thread of the event loop.
class Runs : public RunListener {
 public:
  // Called after each run; a run that it starts begins in the next turn of the loop. The workspace
  // is removed when it returns.
  using Done = std::function<void(const SupervisedRun&)>;

  Runs(EventLoop& event_loop, std::vector<std::string> command)
      : event_loop_(event_loop),
        supervisor_(event_loop, Options(std::move(command), directory_.path()),
                    Logger(LogLevel::kError, LogFormat::kText), *this) {}
  virtual ~Runs() = default;

  void Start(Done done) {
    done_ = std::move(done);
    run_ = {};
    char id[40];
    std::snprintf(id, sizeof id, "018f2d3c-7a10-7c4e-9b1e-%012u", ++number_);
    Incident incident;
    incident.id = id;
    incident.event.cluster = "prod";
    incident.event.fault_id = "fault-1";
    incident.event.fault_type = "CrashLoop";
    incident.event.resource = {"v1", "Pod", "web-0", "shop", "uid-1"};
    run_.start = MonotonicNs();
    supervisor_.Start({incident.id, 1}, incident);
  }

  void OnRunStarted(const StartedRun&) override { run_.told_started = MonotonicNs(); }
  void OnRunFinished(const Lease& lease, const Outcome& outcome) override {
    run_.told_finished = MonotonicNs();
    if (outcome.status != RunStatus::kSuccess || !outcome.contained) {
      Fail("a run ended as " + std::string(ToString(outcome.status)) + " " + outcome.reason);
    }
    run_.workspace = outcome.workspace;
    event_loop_.Post([this, lease] {
      const Done done = std::move(done_);
      done(run_);
      supervisor_.ForgetResult(lease);
      std::filesystem::remove_all(run_.workspace);
    });
  }

 private:
  static AgentOptions Options(std::vector<std::string> command, std::filesystem::path root) {
    AgentOptions options;
    options.command = std::move(command);
    options.workspace_root = std::move(root);
    options.shim_path = RUNNER_SHIM_PATH;
    return options;
  }

  EventLoop& event_loop_;
  TempDir directory_;
  Supervisor supervisor_;
  std::uint32_t number_ = 0;
  SupervisedRun run_;
  Done done_;
};

class Samples {
 public:
  void Add(std::int64_t ns) { values_.push_back(ns); }
  // Microseconds; nearest rank.
  double Percentile(std::size_t percent) const {
    if (values_.empty()) return 0;
    std::vector<std::int64_t> sorted = values_;
    std::sort(sorted.begin(), sorted.end());
    const std::size_t rank = (sorted.size() * percent + 99) / 100;
    return static_cast<double>(sorted[std::max<std::size_t>(rank, 1) - 1]) / 1000.0;
  }

 private:
  std::vector<std::int64_t> values_;
};

// The durations of the parts of a run, measured the same way for both kinds of run.
struct Parts {
  Samples to_exec;         // posix_spawn returned, or OnRunStarted
  Samples to_main;         // the first time stamp of the agent
  Samples exit_to_result;  // from the last time stamp of the agent
  Samples total;
};

class Latencies {
 public:
  Latencies(EventLoop& event_loop, std::uint32_t runs)
      : event_loop_(event_loop),
        stamp_({OwnPath(), "--stamp"}),
        left_(runs + kWarmUp),
        runs_(event_loop, stamp_) {}

  // Starts the next run, or stops the event loop at the end.
  void Next() {
    if (left_ == 0) return event_loop_.Stop();
    counts_ = left_-- <= total_ - kWarmUp;
    MeasureTrue();
    MeasureBare();
    runs_.Start([this](const SupervisedRun& run) {
      MeasureSupervised(run);
      event_loop_.Post([this] { Next(); });
    });
  }

  void Print() const {
    std::printf("%u runs of each, microseconds\n\n", total_ - kWarmUp);
    std::printf("%-44s %10s %10s %9s\n", "", "p50", "p99", "x bare");
    Print("/bin/true by hand: posix_spawn returns", true_.to_exec, nullptr);
    Print("/bin/true by hand: total", true_.total, nullptr);
    Print("agent by hand: posix_spawn returns", bare_.to_exec, nullptr);
    Print("agent by hand: to its main", bare_.to_main, nullptr);
    Print("agent by hand: exit to waitid", bare_.exit_to_result, nullptr);
    Print("agent by hand: total", bare_.total, nullptr);
    Print("supervised: Start to OnRunStarted", supervised_.to_exec, &bare_.to_exec);
    Print("supervised: Start to the agent's main", supervised_.to_main, &bare_.to_main);
    Print("supervised: exit to OnRunFinished", supervised_.exit_to_result, &bare_.exit_to_result);
    Print("supervised: Start to OnRunFinished", supervised_.total, &bare_.total);
  }

 private:
  void MeasureTrue() {
    const BareRun run = RunBare({"/bin/true"}, directory_.path());
    if (!counts_) return;
    true_.to_exec.Add(run.spawned - run.start);
    true_.total.Add(run.reaped - run.start);
  }
  void MeasureBare() {
    const BareRun run = RunBare(stamp_, directory_.path());
    Add(bare_, ReadStamp(directory_.path()), run.start, run.spawned, run.reaped);
    std::filesystem::remove(directory_.path() / kStampFile);
  }
  void MeasureSupervised(const SupervisedRun& run) {
    Add(supervised_, ReadStamp(run.workspace), run.start, run.told_started, run.told_finished);
  }
  void Add(Parts& parts, const Stamp& stamp, std::int64_t start, std::int64_t executed,
           std::int64_t over) const {
    if (!counts_) return;
    parts.to_exec.Add(executed - start);
    parts.to_main.Add(stamp.began - start);
    parts.exit_to_result.Add(over - stamp.ended);
    parts.total.Add(over - start);
  }
  static void Print(const char* what, const Samples& samples, const Samples* bare) {
    std::printf("%-44s %10.0f %10.0f", what, samples.Percentile(50), samples.Percentile(99));
    if (bare != nullptr) std::printf(" %9.2f", samples.Percentile(50) / bare->Percentile(50));
    std::printf("\n");
  }

  EventLoop& event_loop_;
  const std::vector<std::string> stamp_;
  std::uint32_t left_;
  const std::uint32_t total_ = left_;
  bool counts_ = false;
  TempDir directory_;
  Runs runs_;
  Parts true_;
  Parts bare_;
  Parts supervised_;
};

// KiB; 0 if the process has released its memory.
std::uint64_t PeakKiB(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/status");
  constexpr std::string_view kLabel = "VmHWM:";
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(kLabel)) return std::strtoull(line.c_str() + kLabel.size(), nullptr, 10);
  }
  return 0;
}

// This process has no other child during the measurement.
std::uint64_t PeakKiBOfChildren() {
  std::uint64_t peak = 0;
  ForEachChild(
      [](pid_t child, void* context) {
        auto& most = *static_cast<std::uint64_t*>(context);
        most = std::max(most, PeakKiB(std::to_string(child)));
      },
      &peak);
  return peak;
}

class Flood {
 public:
  Flood(EventLoop& event_loop, std::uint64_t bytes)
      : event_loop_(event_loop),
        bytes_(bytes),
        writer_({OwnPath(), "--write", std::to_string(bytes)}),
        runs_(event_loop, writer_),
        own_peak_before_(PeakKiB("self")) {
    std::printf("%llu bytes to stdout\n\n%8s %16s %16s %16s\n",
                static_cast<unsigned long long>(bytes), "round", "/dev/null, ms", "supervised, ms",
                "shim's peak, KiB");
  }

  // Starts the next run, or stops the event loop at the end.
  void Next() {
    if (round_++ == kFloodRounds) return event_loop_.Stop();
    const BareRun bare = RunBare(writer_, directory_.path());
    shim_peak_ = 0;
    runs_.Start([this, bare](const SupervisedRun& run) {
      event_loop_.Cancel(poll_);
      Print(bare, run);
      event_loop_.Post([this] { Next(); });
    });
    Poll();
  }

  void Print() const {
    std::printf("\nthis process's peak: %llu KiB before, %llu KiB after\n",
                static_cast<unsigned long long>(own_peak_before_),
                static_cast<unsigned long long>(PeakKiB("self")));
  }

 private:
  void Poll() {
    shim_peak_ = std::max(shim_peak_, PeakKiBOfChildren());
    poll_ = event_loop_.After(kPollInterval, [this] { Poll(); });
  }
  void Print(const BareRun& bare, const SupervisedRun& run) const {
    const auto ms = [](std::int64_t ns) { return static_cast<double>(ns) / 1e6; };
    const std::int64_t took = run.told_finished - run.start;
    std::printf("%8d %16.2f %16.2f %16llu  (%.0f MB/s)\n", round_, ms(bare.reaped - bare.start),
                ms(took), static_cast<unsigned long long>(shim_peak_),
                static_cast<double>(bytes_) * 1000.0 / static_cast<double>(took));
  }

  EventLoop& event_loop_;
  const std::uint64_t bytes_;
  const std::vector<std::string> writer_;
  TempDir directory_;
  Runs runs_;
  const std::uint64_t own_peak_before_;
  std::uint64_t shim_peak_ = 0;
  EventLoop::TimerId poll_ = EventLoop::kNoTimer;
  int round_ = 0;
};

template <typename Measurement, typename Size>
void Measure(Size size) {
  const SystemClock clock;
  EventLoop event_loop(clock);
  Measurement measurement(event_loop, size);
  event_loop.Post([&] { measurement.Next(); });
  event_loop.Run();
  measurement.Print();
}

[[noreturn]] void Usage() {
  std::fprintf(stderr, "usage: run_bench [--runs N | --flood BYTES]\n");
  std::exit(64);
}

std::uint64_t Number(const char* text) {
  char* end = nullptr;
  const std::uint64_t number = std::strtoull(text, &end, 10);
  if (number == 0 || *end != '\0') Usage();
  return number;
}

int Main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "--runs";
  if (argc == 2 && mode == "--stamp") RunStampAgent();
  if (argc == 2 || argc > 3) Usage();
  const std::uint64_t number = argc == 3 ? Number(argv[2]) : 1000;
  if (mode == "--write") RunWriteAgent(number);
  if (mode == "--runs" && number <= 1'000'000) {
    Measure<Latencies>(static_cast<std::uint32_t>(number));
  } else if (mode == "--flood") {
    Measure<Flood>(number);
  } else {
    Usage();
  }
  return 0;
}

}  // namespace
}  // namespace runner::executor

int main(int argc, char** argv) { return runner::executor::Main(argc, argv); }
