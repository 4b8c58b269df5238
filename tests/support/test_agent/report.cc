#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test_agent/modes.h"

namespace runner::test_agent {
namespace {

std::string ReportFile() {
  const char* const path = std::getenv("RUNNER_REPORT_FILE");
  return path == nullptr ? "output/investigation.md" : path;
}

bool WriteFile(const std::string& path, const std::string& text) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return false;
  std::fputs(text.c_str(), file);
  return std::fclose(file) == 0;
}

}  // namespace

int CloseStdio() {
  for (int fd = 0; fd < 3; ++fd) ::close(fd);
  return 7;
}

int WriteReport(std::size_t bytes) {
  return WriteFile(ReportFile(), std::string(bytes, 'r')) ? 0 : 1;
}

int MakeReportFifo() { return ::mkfifo(ReportFile().c_str(), 0600) == 0 ? 0 : 1; }

int MakeReportDirectory() { return ::mkdir(ReportFile().c_str(), 0700) == 0 ? 0 : 1; }

int LinkReport(const std::string& target, bool hard) {
  const int result = hard ? ::link(target.c_str(), ReportFile().c_str())
                          : ::symlink(target.c_str(), ReportFile().c_str());
  return result == 0 ? 0 : 1;
}

// Ten gigabytes that occupy no blocks.
int MakeHugeReport() {
  const int fd = ::open(ReportFile().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  return fd >= 0 && ::ftruncate(fd, off_t{10} << 30) == 0 ? 0 : 1;
}

// Alternates the report and the files of the runner between themselves and links to the target.
int SwapEntries(const std::string& target, std::size_t milliseconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
  std::size_t swaps = 0;
  while (std::chrono::steady_clock::now() < end) {
    for (const std::string& entry : {ReportFile(), std::string("result.json")}) {
      if (::symlink(target.c_str(), ".swap") == 0) ::rename(".swap", entry.c_str());
      if (!WriteFile(".swap", std::string(200, 's'))) return 1;
      ::rename(".swap", entry.c_str());
      ++swaps;
    }
  }
  Print("swapped " + std::to_string(swaps) + "\n");
  return 0;
}

}  // namespace runner::test_agent
