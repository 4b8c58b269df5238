#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "common/base/file_identity.h"

namespace runner {

// The bearer token (RFC 6750) in a file. Each use of the token calls stat(2), which follows
// symbolic links, and reads the file again if it changed: Kubernetes replaces mounted tokens by
// swapping a link.
//
// Reads regular files of at most kMaxBytes. Not thread-safe.
class BearerToken {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{64} << 10;

  explicit BearerToken(std::string path);

  // The token without surrounding white space. Null if there is no usable token; problem() then
  // returns the reason. Valid until the next call.
  const std::string* Get();
  // As Get, but reads the file even if it looks unchanged. Call it after the server has rejected
  // the token.
  const std::string* Reload();

  // For people; contains the path, but nothing of the content.
  const std::string& problem() const { return problem_; }

 private:
  std::optional<std::string> Read();
  std::nullopt_t Fail(const std::string& why);

  const std::string path_;
  // of the file that was read; empty: the last read gave no usable token
  std::optional<FileIdentity> identity_;
  std::string token_;
  std::string problem_;
};

}  // namespace runner
