#include "executor/supervisor/earlier_runs.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include "executor/workspace/workspace.h"

// The header of glibc 2.36 does not declare C linkage itself.
extern "C" {
#include <sys/pidfd.h>
}

namespace runner::executor {
namespace {

constexpr std::size_t kMaxEnvironment = 256 * 1024;
constexpr std::string_view kVariable = "RUNNER_WORKSPACE=";

// The workspace that a process believes to run in, or nothing. The name of the directory in /proc
// is the number of the process.
std::optional<std::filesystem::path> WorkspaceOf(const std::filesystem::path& process) {
  // By read(2): a stream throws when the process ends while it is read.
  const UniqueFd file(::open((process / "environ").c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(kMaxEnvironment, '\0');
  std::size_t size = 0;
  ssize_t got = 0;
  while (size < text.size() &&
         (got = ::read(file.Get(), text.data() + size, text.size() - size)) > 0) {
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\0', begin), text.size());
    const std::string_view variable = std::string_view(text).substr(begin, end - begin);
    if (variable.starts_with(kVariable)) return variable.substr(kVariable.size());
    begin = end + 1;
  }
  return std::nullopt;
}

// <incident-id>, or <incident-id>.<n> of an earlier attempt.
bool IsWorkspaceName(std::string_view name) {
  constexpr std::size_t kIdBytes = 36;
  return IsLowerCaseUuid(name.substr(0, kIdBytes)) &&
         (name.size() == kIdBytes || name[kIdBytes] == '.');
}

}  // namespace

EarlierRuns::EarlierRuns(std::filesystem::path workspace_root)
    : root_(std::move(workspace_root)),
      root_fd_(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  std::error_code error;
  for (std::filesystem::directory_iterator entry(root_, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (IsWorkspaceName(name)) running_.insert(name);
  }
}

const std::set<std::string>& EarlierRuns::StillRunning() {
  std::erase_if(running_, [this](const std::string& id) { return !IsLocked(id); });
  return running_;
}

std::size_t EarlierRuns::KillOrphans() const {
  std::size_t orphans = 0;
  std::error_code error;
  std::error_code ignored;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const pid_t pid = static_cast<pid_t>(std::strtol(name.c_str(), nullptr, 10));
    if (pid <= 1 || pid == ::getpid()) continue;
    // Opened before the environment is read: what is killed is what was looked at.
    const UniqueFd process(::pidfd_open(pid, 0));
    const auto workspace = WorkspaceOf(entry->path());
    if (!process || !workspace || workspace->parent_path() != root_) continue;
    // The shim of a run that another executor begins has this environment before it has the lock.
    if (std::filesystem::read_symlink(entry->path() / "exe", ignored).filename() == "runner-shim") {
      continue;
    }
    const std::string directory = workspace->filename().string();
    if (!IsLowerCaseUuid(directory) || IsLocked(directory)) continue;
    if (::pidfd_send_signal(process.Get(), SIGKILL, nullptr, 0) == 0) ++orphans;
  }
  return orphans;
}

bool EarlierRuns::IsLocked(const std::string& workspace) const {
  if (!root_fd_) return false;
  const UniqueFd directory(::openat(root_fd_.Get(), workspace.c_str(),
                                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  // Shared, so that two who only look do not take each other for a shim. Closing lets go of it.
  return directory && ::flock(directory.Get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

}  // namespace runner::executor
