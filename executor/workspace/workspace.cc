#include "executor/workspace/workspace.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/directory.h"

namespace runner::executor {
namespace {

constexpr int kMaxEarlierAttempts = 10'000;
constexpr mode_t kDirectoryMode = 0700;
constexpr mode_t kFileMode = 0600;

int WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(fd, text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return 0;
}

int CreateFile(int dir_fd, const char* name, std::string_view text) {
  const UniqueFd file(
      ::openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  return file ? WriteAll(file.Get(), text) : errno;
}

// A file can neither replace nor remove a directory of this name, so the directory is moved.
int SetDirectoryAside(int dir_fd, const std::string& name) {
  struct stat status{};
  if (::fstatat(dir_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return 0;
  if (!S_ISDIR(status.st_mode)) return 0;
  return MoveAside(dir_fd, name, name + ".agent.", kMaxEarlierAttempts).error;
}

}  // namespace

std::variant<Workspace, WorkspaceError> Workspace::Create(const std::filesystem::path& root,
                                                          const std::string& incident_id) {
  if (!IsLowerCaseUuid(incident_id)) return WorkspaceError{"check incident id", EINVAL};
  std::error_code error;
  const std::filesystem::path base = std::filesystem::absolute(root, error);
  if (!error) std::filesystem::create_directories(base, error);
  if (error) return WorkspaceError{"create workspace root", error.value()};
  const UniqueFd root_fd(::open(base.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root_fd) return WorkspaceError{"open workspace root", errno};
  const MovedAside earlier =
      MoveAside(root_fd.Get(), incident_id, incident_id + ".", kMaxEarlierAttempts);
  if (earlier.error != 0)
    return WorkspaceError{"rename workspace of an earlier attempt", earlier.error};
  if (::mkdirat(root_fd.Get(), incident_id.c_str(), kDirectoryMode) != 0) {
    return WorkspaceError{"create workspace", errno};
  }
  UniqueFd fd(::openat(root_fd.Get(), incident_id.c_str(),
                       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) {
    WorkspaceError failure{"open workspace", errno};
    ::unlinkat(root_fd.Get(), incident_id.c_str(), AT_REMOVEDIR);
    return failure;
  }
  if (::mkdirat(fd.Get(), "output", kDirectoryMode) != 0) {
    WorkspaceError failure{"create output directory", errno};
    ::unlinkat(root_fd.Get(), incident_id.c_str(), AT_REMOVEDIR);
    return failure;
  }
  return Workspace(std::move(fd), base / incident_id);
}

std::optional<Workspace> Workspace::Open(const std::filesystem::path& root,
                                         const std::string& incident_id) {
  if (!IsLowerCaseUuid(incident_id)) return std::nullopt;
  std::filesystem::path path = std::filesystem::absolute(root) / incident_id;
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return std::nullopt;
  return Workspace(std::move(fd), std::move(path));
}

int Workspace::WriteIncident(std::string_view document) const {
  return CreateFile(fd(), "incident.json", document);
}

int Workspace::WriteResult(std::string_view document) const {
  constexpr const char* kTemporary = ".result.json.tmp";
  constexpr const char* kResult = "result.json";
  // The agent may have left entries of any type under these names, and a directory without write
  // permission.
  ::fchmod(fd(), kDirectoryMode);
  int error = SetDirectoryAside(fd(), kTemporary);
  if (error == 0) error = SetDirectoryAside(fd(), kResult);
  if (error != 0) return error;
  ::unlinkat(fd(), kTemporary, 0);
  error = CreateFile(fd(), kTemporary, document);
  if (error == 0 && ::renameat(fd(), kTemporary, fd(), kResult) != 0) error = errno;
  if (error != 0) ::unlinkat(fd(), kTemporary, 0);
  return error;
}

void Workspace::Discard() const {
  ::unlinkat(fd(), "incident.json", 0);
  ::unlinkat(fd(), "output", AT_REMOVEDIR);
  ::rmdir(path_.c_str());
}

bool IsLowerCaseUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (dash ? c != '-' : !hex) return false;
  }
  return true;
}

}  // namespace runner::executor
