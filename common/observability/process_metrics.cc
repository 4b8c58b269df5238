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
  // The second field is the program's name in parentheses and may hold anything.
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

// When the machine started, in Unix seconds.
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
  double count = -1;  // not the one that reads the directory
  for (; entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    if (error) return std::nullopt;
    ++count;
  }
  return count;
}

// Infinity is told as the largest rlim_t, as other clients of Prometheus do.
std::optional<double> ReadSoftLimit(__rlimit_resource_t resource) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0) return std::nullopt;
  return static_cast<double>(limit.rlim_cur);
}

}  // namespace

void AddProcessMetrics(MetricsPage& page) {
  const auto gauge = [&page](std::string_view name, std::string_view help,
                             std::optional<double> value) {
    if (value) page.Gauge(MetricName::Bare(name), help, {}, *value);
  };
  const std::optional<ProcessStat> stat = ReadStat();
  if (stat) {
    page.Counter(MetricName::Bare("process_cpu_seconds_total"),
                 "Total user and system CPU time spent in seconds.", {}, stat->cpu_seconds);
  }
  gauge("process_open_fds", "Number of open file descriptors.", CountOpenFds());
  gauge("process_max_fds", "Maximum number of open file descriptors.",
        ReadSoftLimit(RLIMIT_NOFILE));
  if (stat) {
    gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", stat->virtual_bytes);
  }
  gauge("process_virtual_memory_max_bytes", "Maximum amount of virtual memory available in bytes.",
        ReadSoftLimit(RLIMIT_AS));
  if (!stat) return;
  gauge("process_resident_memory_bytes", "Resident memory size in bytes.", stat->resident_bytes);
  if (const auto boot = ReadBootTime()) {
    gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
          *boot + stat->start_ticks / TicksPerSecond());
  }
  gauge("process_threads", "Number of operating system threads in the process.", stat->threads);
}

void AddProgramMetrics(MetricsPage& page, std::string_view component, Duration uptime,
                       std::uint64_t log_lines_dropped) {
  const BuildInfo build = GetBuildInfo();
  page.Gauge("build_info", "What this program was built from; always 1.",
             {{"component", std::string(component)},
              {"version", build.version},
              {"git_commit", build.git_commit},
              {"build_date", build.build_date}},
             1);
  page.Gauge("up", "1 while the program runs.", {}, 1);
  page.Gauge("uptime_seconds", "Time since the program started.", {}, ToSeconds(uptime));
  page.Counter("log_lines_dropped_total", "Log lines that were not written.", {},
               static_cast<double>(log_lines_dropped));
}

}  // namespace runner
