#include "tests/support/process_table.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <optional>
#include <set>
#include <sstream>
#include <system_error>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/eventually.h"
#include "tests/support/temp_dir.h"

namespace runner::support {
namespace {

std::optional<ProcessEntry> ReadEntry(const std::filesystem::path& directory) {
  const std::string name = directory.filename();
  ProcessEntry entry;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), entry.pid);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  const std::string stat = ReadFile(directory / "stat");
  // The name of the program is in parentheses and may contain some.
  const std::size_t at = stat.rfind(')');
  if (at == std::string::npos) return std::nullopt;
  char state = 0;
  std::istringstream(stat.substr(at + 1)) >> state >> entry.parent;
  if (state == 'Z' || state == 'X') return std::nullopt;
  entry.command_line = ReadFile(directory / "cmdline");
  if (entry.command_line.empty()) entry.command_line = stat.substr(0, at + 1);
  std::replace(entry.command_line.begin(), entry.command_line.end(), '\0', ' ');
  return entry;
}

std::vector<ProcessEntry> Descendants() {
  const std::vector<ProcessEntry> all = AllProcesses();
  std::set<pid_t> family = {::getpid()};
  std::vector<ProcessEntry> found;
  for (std::size_t before = 0; before != family.size();) {
    before = family.size();
    for (const ProcessEntry& entry : all) {
      if (family.contains(entry.parent) && family.insert(entry.pid).second) found.push_back(entry);
    }
  }
  return found;
}

// Returns true if there is no child any more.
bool Reap() {
  for (;;) {
    const pid_t reaped = ::waitpid(-1, nullptr, WNOHANG);
    if (reaped == 0) return false;
    if (reaped < 0 && errno != EINTR) return errno == ECHILD;
  }
}

}  // namespace

std::vector<ProcessEntry> AllProcesses() {
  std::vector<ProcessEntry> all;
  for (const auto& directory : std::filesystem::directory_iterator("/proc")) {
    if (auto entry = ReadEntry(directory.path())) all.push_back(*std::move(entry));
  }
  return all;
}

std::vector<ProcessEntry> ProcessesNaming(std::string_view text) {
  std::vector<ProcessEntry> all = AllProcesses();
  std::erase_if(all, [text](const ProcessEntry& entry) {
    return entry.command_line.find(text) == std::string::npos;
  });
  return all;
}

std::string Describe(const std::vector<ProcessEntry>& processes) {
  std::string text;
  for (const ProcessEntry& entry : processes) {
    text += "  " + std::to_string(entry.pid) + ": " + entry.command_line + "\n";
  }
  return text;
}

void BecomeSubreaper() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
    throw std::system_error(errno, std::generic_category(), "PR_SET_CHILD_SUBREAPER");
  }
}

std::vector<ProcessEntry> ReapUntilAlone(Duration limit) {
  if (Eventually(Reap, limit)) return {};
  std::vector<ProcessEntry> left = Descendants();
  Eventually(
      [] {
        for (const ProcessEntry& entry : Descendants()) ::kill(entry.pid, SIGKILL);
        return Reap();
      },
      std::chrono::seconds(5));
  return left;
}

}  // namespace runner::support
