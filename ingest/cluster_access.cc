#include "ingest/cluster_access.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>

#include "common/bearer_token.h"
#include "common/config_values.h"
#include "common/unique_fd.h"

namespace runner::ingest {
namespace {

// What MCP or HTTP says with them is not for an operator to say.
constexpr std::array<std::string_view, 15> kReserved = {
    "Accept",        "Accept-Encoding",      "Connection",     "Content-Encoding",
    "Content-Type",  "Content-Length",       "Expect",         "Host",
    "Last-Event-ID", "MCP-Protocol-Version", "Mcp-Session-Id", "TE",
    "Trailer",       "Transfer-Encoding",    "Upgrade"};

bool IsToken(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

bool IsControl(char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }

}  // namespace

std::optional<SourceMode> ParseSourceMode(std::string_view word) {
  for (const SourceMode mode :
       {SourceMode::kAuto, SourceMode::kFaults, SourceMode::kEvents, SourceMode::kPoll}) {
    if (ToString(mode) == word) return mode;
  }
  return std::nullopt;
}

std::optional<Transport> ParseTransport(std::string_view word) {
  for (const Transport transport :
       {Transport::kAuto, Transport::kStreamableHttp, Transport::kSse}) {
    if (ToString(transport) == word) return transport;
  }
  return std::nullopt;
}

std::optional<std::string> WrongWithHeader(const std::string& name, const std::string& value) {
  if (!IsToken(name)) return QuoteValue(name) + " is not the name of a header";
  const bool reserved = std::any_of(kReserved.begin(), kReserved.end(),
                                    [&](std::string_view one) { return SameHeader(one, name); });
  if (reserved) return name + " is not to be set: the protocol says what it is";
  if (value.empty()) return name + " has no value";
  if (std::any_of(value.begin(), value.end(), IsControl)) {
    return "the value of " + name + " holds a control character";
  }
  return std::nullopt;
}

std::optional<std::string> WrongWithFile(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    return QuoteValue(path) + " is not a regular file";
  }
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (file) return std::nullopt;
  return QuoteValue(path) + " cannot be read: " + std::generic_category().message(errno);
}

std::optional<std::string> WrongWithTokenFile(const std::string& path) {
  BearerToken token(path);
  return token.Get() == nullptr ? std::optional(token.problem()) : std::nullopt;
}

std::vector<std::string> Contradictions(const std::string& endpoint, const ClusterAccess& access) {
  std::vector<std::string> problems;
  const TlsFiles& tls = access.tls;
  if (tls.certificate.empty() != tls.key.empty()) {
    problems.emplace_back("client_cert_file and client_key_file go together");
  }
  const bool any = !tls.ca.empty() || !tls.certificate.empty() || !tls.key.empty();
  if (any && endpoint.starts_with("http://")) {
    problems.emplace_back(
        "ca_file, client_cert_file and client_key_file: the endpoint is not one of https");
  }
  const bool authorization =
      std::any_of(access.headers.begin(), access.headers.end(),
                  [](const auto& header) { return SameHeader(header.first, "Authorization"); });
  if (authorization && !access.token_file.empty()) {
    problems.emplace_back("headers: Authorization is not to be set together with token_file");
  }
  return problems;
}

bool SameHeader(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace runner::ingest
