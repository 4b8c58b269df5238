#include "ingest/config/cluster_access.h"

#include <algorithm>
#include <array>
#include <variant>

#include "common/base/bounded_file.h"
#include "common/base/values.h"
#include "common/security/bearer_token.h"

namespace runner::ingest {
namespace {

// What MCP or HTTP says with them is not for an operator to say.
constexpr std::array<std::string_view, 15> kReserved = {
    "Accept",        "Accept-Encoding",      "Connection",     "Content-Encoding",
    "Content-Type",  "Content-Length",       "Expect",         "Host",
    "Last-Event-ID", "MCP-Protocol-Version", "Mcp-Session-Id", "TE",
    "Trailer",       "Transfer-Encoding",    "Upgrade"};

constexpr std::size_t kMaxPemFile = std::size_t{4} << 20;

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

std::optional<std::string> ValidateHeader(const std::string& name, const std::string& value) {
  if (!IsToken(name))
    return QuoteValue(name) + " is not the name of a header; expected letters, digits and dashes";
  const bool reserved = std::any_of(kReserved.begin(), kReserved.end(),
                                    [&](std::string_view one) { return SameHeader(one, name); });
  if (reserved) return name + " is set by the protocol; remove it";
  if (value.empty()) return name + " has no value; expected one, or remove it";
  if (std::any_of(value.begin(), value.end(), IsControl)) {
    return "the value of " + name + " holds a control character; expected one line of text";
  }
  return std::nullopt;
}

std::optional<std::string> ValidatePemFile(const std::string& path, const std::string& label) {
  const auto read = ReadBoundedFile(path, kMaxPemFile);
  const std::string expected = "; expected a file in PEM form (-----BEGIN " + label + "-----)";
  if (const auto* why = std::get_if<std::string>(&read)) {
    return QuoteValue(path) + " cannot be read: " + *why + expected;
  }
  // Also BEGIN TRUSTED CERTIFICATE, BEGIN RSA PRIVATE KEY and the like.
  const std::string& text = std::get<BoundedFile>(read).text;
  for (std::size_t at = 0; (at = text.find("-----BEGIN ", at)) != std::string::npos; ++at) {
    const std::size_t end = text.find("-----", at + 5);
    if (end != std::string::npos && std::string_view(text).substr(at, end - at).ends_with(label)) {
      return std::nullopt;
    }
  }
  return QuoteValue(path) + " holds no " + label + expected;
}

std::optional<std::string> ValidateTokenFile(const std::string& path) {
  BearerToken token(path);
  return token.Get() == nullptr ? std::optional(token.problem()) : std::nullopt;
}

std::vector<std::string> Contradictions(const std::string& endpoint, const ClusterAccess& access) {
  std::vector<std::string> problems;
  const TlsFiles& tls = access.tls;
  if (tls.certificate.empty() != tls.key.empty()) {
    problems.emplace_back("client_cert_file and client_key_file go together; set both, or none");
  }
  const bool any = !tls.ca.empty() || !tls.certificate.empty() || !tls.key.empty();
  if (any && SameHeader(endpoint.substr(0, 7), "http://")) {
    problems.emplace_back(
        "ca_file, client_cert_file and client_key_file: the endpoint is not one of https; use an "
        "https:// endpoint, or remove them");
  }
  const bool authorization =
      std::any_of(access.headers.begin(), access.headers.end(),
                  [](const auto& header) { return SameHeader(header.first, "Authorization"); });
  if (authorization && !access.token_file.empty()) {
    problems.emplace_back(
        "headers: Authorization is set together with token_file; remove one of them");
  }
  return problems;
}

bool SameHeader(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace runner::ingest
