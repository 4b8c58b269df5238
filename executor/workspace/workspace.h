#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/base/unique_fd.h"

namespace runner::executor {

// The step that failed in a workspace, and its error.
struct WorkspaceError {
  std::string what;
  int error = 0;  // an errno
};

// The directory of one run: <root>/<incident-id>/, mode 0700, with output/ in it. Every file in it
// is opened relative to its descriptor and never through a symbolic link, since the agent may put
// anything there. The destructor keeps the directory. Not thread-safe.
class Workspace {
 public:
  // Creates an empty workspace, and the root if it is missing. The workspace of an earlier attempt
  // is renamed to <incident-id>.<n> with the first free number. The id must be a lower-case UUID.
  static std::variant<Workspace, WorkspaceError> Create(const std::filesystem::path& root,
                                                        const std::string& incident_id);

  // Opens an existing workspace.
  static std::optional<Workspace> Open(const std::filesystem::path& root,
                                       const std::string& incident_id);

  // Creates incident.json (0600). Returns an errno; 0 on success.
  int WriteIncident(std::string_view document) const;
  // Writes result.json (0600) in one step, completely or not at all. A directory of that name is
  // renamed to <name>.agent.<n>. Returns an errno; 0 on success.
  int WriteResult(std::string_view document) const;

  // Removes a workspace in which no agent was started, unless it contains other entries. Opens no
  // file.
  void Discard() const;

  int fd() const { return fd_.Get(); }
  // Absolute.
  const std::filesystem::path& path() const { return path_; }

 private:
  Workspace(UniqueFd fd, std::filesystem::path path) : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::filesystem::path path_;
};

// 8-4-4-4-12 lower-case hexadecimal digits.
bool IsLowerCaseUuid(std::string_view text);

}  // namespace runner::executor
