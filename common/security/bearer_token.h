#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "common/base/file_identity.h"

namespace runner {

// The bearer token (RFC 6750) that a file holds. The file is looked at (stat(2), through symbolic
// links) each time the token is used, and read again when it is another one or was written:
// Kubernetes replaces mounted tokens by swapping a link.
//
// Reads are of regular files and at most kMaxBytes. Not thread-safe.
class BearerToken {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{64} << 10;

  explicit BearerToken(std::string path);

  // Without what is blank around it. Null when there is no token in the file: problem() says why.
  // Valid until the next call.
  const std::string* Get();
  // The same, but reads whatever the file looks like: for after the server has refused the token.
  const std::string* ReloadConfig();

  // Made for people; holds the path, never a part of the file.
  const std::string& problem() const { return problem_; }

 private:
  std::optional<std::string> Read();
  std::nullopt_t Fail(const std::string& why);

  const std::string path_;
  std::optional<FileIdentity> identity_;  // of what was read; none: nothing usable was
  std::string token_;
  std::string problem_;
};

}  // namespace runner
