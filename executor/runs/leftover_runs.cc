#include "executor/runs/leftover_runs.h"

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/directory.h"
#include "executor/workspace/workspace.h"

// The header of glibc 2.36 does not declare C linkage itself.
extern "C" {
#include <sys/pidfd.h>
}

namespace runner::executor {
namespace {

constexpr std::size_t kMaxRead = 256 * 1024;
// How often the list of processes is read again for those started meanwhile. A process that forks
// continuously is found in the first rounds.
constexpr int kMaxRounds = 20;
constexpr std::string_view kVariable = "RUNNER_WORKSPACE=";
constexpr std::string_view kOption = "--workspace";
constexpr std::string_view kShim = "runner-shim";

// The NUL-terminated strings of a file in /proc.
class ProcessStrings {
 public:
  ProcessStrings() : buffer_(kMaxRead, '\0') {}

  // Uses read(2): a stream throws if the process ends during the read.
  void Read(const std::filesystem::path& file) {
    const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    size_ = at_ = 0;
    ssize_t got = 0;
    while (fd && size_ < buffer_.size() &&
           (got = ::read(fd.Get(), buffer_.data() + size_, buffer_.size() - size_)) > 0) {
      size_ += static_cast<std::size_t>(got);
    }
  }
  std::optional<std::string_view> Next() {
    if (at_ >= size_) return std::nullopt;
    const std::string_view rest = std::string_view(buffer_).substr(at_, size_ - at_);
    const std::string_view string = rest.substr(0, rest.find('\0'));
    at_ += string.size() + 1;
    return string;
  }

 private:
  std::string buffer_;
  std::size_t size_ = 0;
  std::size_t at_ = 0;
};

// The workspace in the environment of a process, or nothing.
std::optional<std::string_view> WorkspaceOf(const std::filesystem::path& process,
                                            ProcessStrings& strings) {
  strings.Read(process / "environ");
  while (const auto variable = strings.Next()) {
    if (variable->starts_with(kVariable)) return variable->substr(kVariable.size());
  }
  return std::nullopt;
}

// The workspace that a shim supervises; nothing if the process is not a shim.
std::optional<std::string_view> ShimWorkspaceOf(const std::filesystem::path& process,
                                                ProcessStrings& strings) {
  strings.Read(process / "cmdline");
  const auto program = strings.Next();
  if (!program || !program->ends_with(kShim)) return std::nullopt;
  for (auto option = strings.Next(); option && option != "--"; option = strings.Next()) {
    if (option == kOption) return strings.Next();
  }
  return std::nullopt;
}

// Calls `use(directory in /proc, pidfd)` for every process except this one and process 1, including
// those started meanwhile. The pidfd is opened first, so that a signal reaches the process that was
// inspected.
template <typename Use>
void ForEachProcess(Use use) {
  std::set<pid_t> seen = {1, ::getpid()};
  bool more = true;
  for (int round = 0; more && round < kMaxRounds; ++round) {
    more = false;
    std::error_code error;
    for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
         entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      const pid_t pid = static_cast<pid_t>(std::strtol(name.c_str(), nullptr, 10));
      if (pid <= 0 || !seen.insert(pid).second) continue;
      more = true;
      const UniqueFd process(::pidfd_open(pid, 0));
      if (process) use(entry->path(), process.Get());
    }
  }
}

// <incident-id>, or <incident-id>.<n> of an earlier attempt.
bool IsWorkspaceName(std::string_view name) {
  constexpr std::size_t kIdBytes = 36;
  return IsLowerCaseUuid(name.substr(0, kIdBytes)) &&
         (name.size() == kIdBytes || name[kIdBytes] == '.');
}

}  // namespace

LeftoverRuns::LeftoverRuns(const std::filesystem::path& workspace_root)
    : root_(::open(workspace_root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (!root_) return;
  ForEachEntry(root_.Get(), [this](const char* name) {
    if (IsWorkspaceName(name)) running_.insert(name);
    return true;
  });
}

const std::set<std::string>& LeftoverRuns::StillRunning() {
  std::erase_if(running_, [this](const std::string& id) { return !IsLocked(id); });
  return running_;
}

std::size_t LeftoverRuns::KillOrphans() const {
  if (!root_) return 0;
  std::size_t orphans = 0;
  ProcessStrings strings;
  ForEachProcess([&](const std::filesystem::path& directory, int process) {
    const auto workspace = WorkspaceOf(directory, strings);
    const std::string name = workspace ? NameOf(*workspace) : "";
    if (name.empty() || IsLocked(name)) return;
    // A shim that another executor starts has this environment before it holds the lock.
    std::error_code ignored;
    if (std::filesystem::read_symlink(directory / "exe", ignored).filename() == kShim) return;
    ::pidfd_send_signal(process, SIGKILL, nullptr, 0);
    ++orphans;  // counted even if it has ended by itself, since it may have left another
  });
  return orphans;
}

void LeftoverRuns::SignalRunning(int signal, bool agents_too) const {
  ProcessStrings strings;
  ForEachProcess([&](const std::filesystem::path& directory, int process) {
    auto workspace = ShimWorkspaceOf(directory, strings);
    if (!workspace && agents_too) workspace = WorkspaceOf(directory, strings);
    if (workspace && running_.contains(NameOf(*workspace))) {
      ::pidfd_send_signal(process, signal, nullptr, 0);
    }
  });
}

std::string LeftoverRuns::NameOf(const std::filesystem::path& workspace) const {
  const std::string name = workspace.filename().string();
  struct stat parent{};
  struct stat root{};
  const bool ours = IsLowerCaseUuid(name) && workspace.is_absolute() && root_ &&
                    ::stat(workspace.parent_path().c_str(), &parent) == 0 &&
                    ::fstat(root_.Get(), &root) == 0 && IsSameFile(parent, root);
  return ours ? name : std::string();
}

bool LeftoverRuns::IsLocked(const std::string& workspace) const {
  if (!root_) return false;
  const UniqueFd directory = OpenDirectory(root_.Get(), workspace.c_str(), S_IRUSR | S_IXUSR).fd;
  // A shared lock, so that two callers that only test do not take each other for a shim. Closing
  // releases it.
  return directory && ::flock(directory.Get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

}  // namespace runner::executor
