#include "ingest/mcp/bearer_token.h"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/unique_fd.h"

namespace runner::ingest {
namespace {

std::string Reason(int error) { return std::generic_category().message(error); }

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n\v\f";
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// At most `most` bytes. Nothing and errno when reading fails.
std::optional<std::string> ReadUpTo(int fd, std::size_t most) {
  std::string text(most, '\0');
  std::size_t total = 0;
  while (total < most) {
    const ssize_t got = ::read(fd, text.data() + total, most - total);
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    total += static_cast<std::size_t>(got);
  }
  text.resize(total);
  return text;
}

}  // namespace

BearerToken::BearerToken(std::string path) : path_(std::move(path)) {}

const std::string* BearerToken::Get() {
  if (identity_ && IdentityOf(path_) == identity_) return &token_;
  return ReadAgain();
}

const std::string* BearerToken::ReadAgain() {
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
  struct stat status{};
  // Before it is opened: opening a device may do something.
  if (::stat(path_.c_str(), &status) != 0) return Fail(Reason(errno));
  if (!S_ISREG(status.st_mode)) return Fail("not a regular file");
  const UniqueFd file(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  // Of what was opened, which may be another file by now.
  if (!file || ::fstat(file.Get(), &status) != 0) return Fail(Reason(errno));
  if (!S_ISREG(status.st_mode)) return Fail("not a regular file");
  const auto text = ReadUpTo(file.Get(), kMaxBytes + 1);
  if (!text) return Fail(Reason(errno));
  if (text->size() > kMaxBytes) return Fail("larger than 64 KiB");
  const std::string_view token = Trim(*text);
  if (token.empty()) return Fail("empty");
  // Anything else could end the header that it is put into.
  if (!std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; })) {
    return Fail("holds something else than one token: a blank, a control character or non-ASCII");
  }
  identity_ = IdentityOf(status);
  return std::string(token);
}

std::nullopt_t BearerToken::Fail(const std::string& why) {
  problem_ = "token file " + path_ + ": " + why;
  return std::nullopt;
}

}  // namespace runner::ingest
