#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/base/unique_fd.h"

namespace runner::executor {

// What could not be done in a workspace, and why.
struct WorkspaceError {
  std::string what;
  int error = 0;  // an errno
};

// The directory of one run: <root>/<incident-id>/, mode 0700, with output/ in it. Everything in it
// is opened under its descriptor and never through a symbolic link, since the agent may put
// anything there. The directory stays when the object goes. Not thread-safe.
class Workspace {
 public:
  // Makes an empty workspace, and the root where it is missing. What an earlier attempt left is
  // renamed to <incident-id>.<n>, the first number that is free. The id must be a lower-case UUID.
  static std::variant<Workspace, WorkspaceError> Create(const std::filesystem::path& root,
                                                        const std::string& incident_id);

  // The workspace that is there already.
  static std::optional<Workspace> Open(const std::filesystem::path& root,
                                       const std::string& incident_id);

  // Creates incident.json (0600). An errno; 0 on success.
  int WriteIncident(std::string_view document) const;
  // Puts result.json (0600) in place at once, complete or not at all. A directory in its way is
  // renamed to <name>.agent.<n>. An errno; 0 on success.
  int WriteResult(std::string_view document) const;

  // Removes a workspace in which no agent was started: the directory is gone afterwards, unless
  // something else is in it. It opens nothing.
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
