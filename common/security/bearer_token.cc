#include "common/security/bearer_token.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <variant>

#include "common/base/bounded_file.h"
#include "common/base/values.h"

namespace runner {
BearerToken::BearerToken(std::string path) : path_(std::move(path)) {}

const std::string* BearerToken::Get() {
  if (identity_ && IdentityOf(path_) == identity_) return &token_;
  return Reload();
}

const std::string* BearerToken::Reload() {
  auto token = Read();
  if (!token) {
    identity_.reset();
    token_.clear();
    return nullptr;
  }
  token_ = std::move(*token);
  problem_.clear();
  return &token_;
}

std::optional<std::string> BearerToken::Read() {
  const auto read = ReadBoundedFile(path_, kMaxBytes);
  if (const auto* why = std::get_if<std::string>(&read))
    return Fail(*why + "; expected a file with one token");
  const BoundedFile& file = std::get<BoundedFile>(read);
  const std::string_view token = TrimBlank(file.text);
  if (token.empty()) return Fail("empty; expected one token");
  // Other characters could end the header that carries the token.
  if (!std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; })) {
    return Fail(
        "contains a blank, a control character or a non-ASCII byte; expected one token on one "
        "line");
  }
  identity_ = file.identity;
  return std::string(token);
}

std::nullopt_t BearerToken::Fail(const std::string& why) {
  problem_ = "token file " + path_ + ": " + why;
  return std::nullopt;
}

}  // namespace runner
