#include "common/observability/process_metrics.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>

#include <sys/resource.h>
#include <unistd.h>

#include "common/observability/build_info.h"
#include "common/observability/metrics.h"

namespace runner {
namespace {

// Fields of /proc/self/stat, see proc(5).
struct ProcessStat {
  double cpu_seconds = 0;
  double threads = 0;
  double start_ticks = 0;  // clock ticks since boot
  double virtual_bytes = 0;
  double resident_bytes = 0;
};

double TicksPerSecond() { return static_cast<double>(::sysconf(_SC_CLK_TCK)); }

std::optional<ProcessStat> ReadStat() {
  std::ifstream file("/proc/self/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  // The second field is the program's name in parentheses and may contain any character.
  const std::size_t end_of_name = text.rfind(')');
  if (end_of_name == std::string::npos) return std::nullopt;
  std::istringstream rest(text.substr(end_of_name + 1));
  std::string state;
  rest >> state;
  constexpr int kFirst = 4, kUserTime = 14, kSystemTime = 15, kThreads = 20, kStart = 22;
  constexpr int kVirtual = 23, kResident = 24;
  double fields[kResident + 1] = {};
  for (int i = kFirst; i <= kResident; ++i) {
    if (!(rest >> fields[i])) return std::nullopt;
  }
  return ProcessStat{(fields[kUserTime] + fields[kSystemTime]) / TicksPerSecond(), fields[kThreads],
                     fields[kStart], fields[kVirtual],
                     fields[kResident] * static_cast<double>(::sysconf(_SC_PAGESIZE))};
}

// The boot time of the machine in Unix seconds.
std::optional<double> ReadBootTime() {
  std::ifstream file("/proc/stat");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("btime ")) return std::stod(line.substr(6));
  }
  return std::nullopt;
}

std::optional<double> CountOpenFds() {
  std::error_code error;
  std::filesystem::directory_iterator entries("/proc/self/fd", error);
  if (error) return std::nullopt;
  double count = -1;  // starts at -1: the descriptor that reads the directory does not count
  for (; entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    if (error) return std::nullopt;
    ++count;
  }
  return count;
}

// Infinity becomes the largest rlim_t, as in other Prometheus client libraries.
std::optional<double> ReadSoftLimit(__rlimit_resource_t resource) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0) return std::nullopt;
  return static_cast<double>(limit.rlim_cur);
}

// The values of one scrape; a value whose source cannot be read is empty.
struct ProcessSample {
  std::optional<ProcessStat> stat = ReadStat();
  std::optional<double> open_fds = CountOpenFds();
  std::optional<double> max_fds = ReadSoftLimit(RLIMIT_NOFILE);
  std::optional<double> max_virtual_bytes = ReadSoftLimit(RLIMIT_AS);
  std::optional<double> boot_time = ReadBootTime();
};

auto FromStat(double ProcessStat::* field) {
  return [field](const ProcessSample& sample, MetricSeries& series) {
    if (sample.stat) series.Add((*sample.stat).*field);
  };
}

auto IfRead(std::optional<double> ProcessSample::* field) {
  return [field](const ProcessSample& sample, MetricSeries& series) {
    if (sample.*field) series.Add(*(sample.*field));
  };
}

void AddStartTime(const ProcessSample& sample, MetricSeries& series) {
  if (!sample.stat || !sample.boot_time) return;
  series.Add(*sample.boot_time + sample.stat->start_ticks / TicksPerSecond());
}

}  // namespace

std::vector<prometheus::MetricFamily> ProcessMetrics::Collect() const {
  using enum prometheus::MetricType;
  // Names and HELP texts of the official client libraries.
  static const std::vector<Metric<ProcessSample>> kTable = {
      {Counter, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
       FromStat(&ProcessStat::cpu_seconds)},
      {Gauge, "process_open_fds", "Number of open file descriptors.",
       IfRead(&ProcessSample::open_fds)},
      {Gauge, "process_max_fds", "Maximum number of open file descriptors.",
       IfRead(&ProcessSample::max_fds)},
      {Gauge, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
       FromStat(&ProcessStat::virtual_bytes)},
      {Gauge, "process_virtual_memory_max_bytes",
       "Maximum amount of virtual memory available in bytes.",
       IfRead(&ProcessSample::max_virtual_bytes)},
      {Gauge, "process_resident_memory_bytes", "Resident memory size in bytes.",
       FromStat(&ProcessStat::resident_bytes)},
      {Gauge, "process_start_time_seconds",
       "Start time of the process since unix epoch in seconds.", AddStartTime},
      {Gauge, "process_threads", "Number of operating system threads in the process.",
       FromStat(&ProcessStat::threads)},
  };
  return CollectMetrics(kTable, ProcessSample(), "");
}

std::vector<prometheus::MetricFamily> ProgramMetrics::Collect() const {
  using enum prometheus::MetricType;
  using Program = ProgramMetrics;
  static const auto build = [](const Program& program, MetricSeries& series) {
    const BuildInfo info = GetBuildInfo();
    series.Add(1, {{"component", program.component_},
                   {"version", info.version},
                   {"git_commit", info.git_commit},
                   {"build_date", info.build_date}});
  };
  static const std::vector<Metric<Program>> kTable = {
      {Gauge, "build_info", "Version, commit and date of the build; always 1.", build},
      {Gauge, "up", "1 while the program runs.",
       [](const Program&, MetricSeries& series) { series.Add(1); }},
      {Gauge, "uptime_seconds", "Seconds since the program started.",
       [](const Program& program, MetricSeries& series) {
         series.Add(ToSeconds(program.clock_.Now().mono - program.started_));
       }},
      {Counter, "log_lines_dropped_total", "Log lines dropped because stderr was not read.",
       [](const Program& program, MetricSeries& series) {
         series.Add(program.logger_.lines_dropped());
       }},
  };
  return CollectMetrics(kTable, *this);
}

}  // namespace runner
