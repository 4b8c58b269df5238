#include "ingest/config/cluster_config.h"

#include <algorithm>
#include <array>
#include <variant>

#include <yaml-cpp/yaml.h>

#include "common/base/bounded_file.h"
#include "common/base/values.h"
#include "common/security/bearer_token.h"

namespace runner::ingest {
namespace {

// MCP and HTTP set these headers.
constexpr std::array<std::string_view, 15> kReserved = {
    "Accept",        "Accept-Encoding",      "Connection",     "Content-Encoding",
    "Content-Type",  "Content-Length",       "Expect",         "Host",
    "Last-Event-ID", "MCP-Protocol-Version", "Mcp-Session-Id", "TE",
    "Trailer",       "Transfer-Encoding",    "Upgrade"};

constexpr std::size_t kMaxPemFile = std::size_t{4} << 20;  // bytes
constexpr const char* kMask = "***";

bool IsToken(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

bool IsControl(char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }

std::string WithoutQuery(const std::string& endpoint) {
  const auto end = endpoint.find_first_of("?#");
  return end == std::string::npos ? endpoint : endpoint.substr(0, end) + "?" + kMask;
}

void Print(YAML::Emitter& out, const char* key, const std::string& value) {
  out << YAML::Key << key << YAML::Value << value;
}

void PrintIfSet(YAML::Emitter& out, const char* key, const std::string& value) {
  if (!value.empty()) Print(out, key, value);
}

void Print(YAML::Emitter& out, const char* key, const NameRules& rules) {
  out << YAML::Key << key << YAML::Value << YAML::Flow << YAML::BeginMap;
  out << YAML::Key << "allow" << YAML::Value << rules.allow;
  out << YAML::Key << "deny" << YAML::Value << rules.deny;
  out << YAML::EndMap;
}

void PrintAccess(YAML::Emitter& out, const ClusterAccess& access) {
  Print(out, "mode", std::string(ToString(access.mode)));
  Print(out, "transport", std::string(ToString(access.transport)));
  Print(out, "token_file", access.token_file);
  PrintIfSet(out, "ca_file", access.tls.ca);
  PrintIfSet(out, "client_cert_file", access.tls.certificate);
  PrintIfSet(out, "client_key_file", access.tls.key);
  PrintIfSet(out, "subscribe_tool", access.subscribe_tool);
  PrintIfSet(out, "events_tool", access.events_tool);
  if (access.headers.empty()) return;
  out << YAML::Key << "headers" << YAML::Value << YAML::BeginMap;
  for (const auto& [name, value] : access.headers) Print(out, name.c_str(), kMask);
  out << YAML::EndMap;
}

void PrintFilter(YAML::Emitter& out, const FilterRules& filter) {
  out << YAML::Key << "triage" << YAML::Value << filter.triage;
  Print(out, "severity_threshold", std::string(ToString(filter.severity_threshold)));
  Print(out, "namespaces", filter.namespaces);
  Print(out, "kinds", filter.kinds);
  Print(out, "fault_types", filter.fault_types);
}

}  // namespace

EnumWords<SourceMode> SourceModeWords() {
  return WordsOf({SourceMode::kAuto, SourceMode::kFaults, SourceMode::kEvents, SourceMode::kPoll});
}

EnumWords<Transport> TransportWords() {
  return WordsOf({Transport::kAuto, Transport::kStreamableHttp, Transport::kSse});
}

// RFC 1123: the name becomes a metrics label and a part of file names.
std::optional<std::string> ValidateName(const std::string& name) {
  const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const bool label =
      !name.empty() && name.size() <= 63 && alnum(name.front()) && alnum(name.back()) &&
      std::all_of(name.begin(), name.end(), [&](char c) { return alnum(c) || c == '-'; });
  if (label) return std::nullopt;
  return QuoteValue(name) +
         " is not a DNS label; expected lower-case letters, digits and inner dashes, at most 63 "
         "characters";
}

std::optional<std::string> ValidateHeader(const std::string& name, const std::string& value) {
  if (!IsToken(name))
    return QuoteValue(name) + " is not a header name; expected letters, digits and dashes";
  const bool reserved = std::any_of(kReserved.begin(), kReserved.end(),
                                    [&](std::string_view one) { return IsSameHeader(one, name); });
  if (reserved) return name + " is set by the protocol; remove it";
  if (value.empty()) return name + " has no value; set one, or remove the header";
  if (std::any_of(value.begin(), value.end(), IsControl)) {
    return "the value of " + name + " contains a control character; expected one line of text";
  }
  return std::nullopt;
}

std::optional<std::string> ValidatePemFile(const std::string& path, const std::string& label) {
  const auto read = ReadBoundedFile(path, kMaxPemFile);
  const std::string expected = "; expected a PEM file (-----BEGIN " + label + "-----)";
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
  return QuoteValue(path) + " contains no " + label + expected;
}

std::optional<std::string> ValidateTokenFile(const std::string& path) {
  BearerToken token(path);
  return token.Get() == nullptr ? std::optional(token.problem()) : std::nullopt;
}

std::vector<std::string> ValidateAccess(const std::string& endpoint, const ClusterAccess& access) {
  std::vector<std::string> problems;
  const TlsFiles& tls = access.tls;
  if (tls.certificate.empty() != tls.key.empty()) {
    problems.emplace_back(
        "client_cert_file, client_key_file: only one of them is set; set both or none");
  }
  const bool any = !tls.ca.empty() || !tls.certificate.empty() || !tls.key.empty();
  if (any && IsSameHeader(endpoint.substr(0, 7), "http://")) {
    problems.emplace_back(
        "ca_file, client_cert_file, client_key_file: the endpoint is not an https URL; use an "
        "https:// endpoint, or remove them");
  }
  if (HasAuthorization(access.headers) && !access.token_file.empty()) {
    problems.emplace_back(
        "headers: Authorization is set together with token_file; remove one of them");
  }
  return problems;
}

bool IsSameHeader(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

bool HasAuthorization(const HttpHeaders& headers) {
  return std::any_of(headers.begin(), headers.end(), [](const auto& header) {
    return IsSameHeader(header.first, "Authorization");
  });
}

std::string PrintClusters(const std::vector<ClusterConfig>& clusters) {
  YAML::Emitter out;
  out << YAML::BeginMap << YAML::Key << "clusters" << YAML::Value << YAML::BeginSeq;
  for (const ClusterConfig& cluster : clusters) {
    out << YAML::BeginMap;
    Print(out, "name", cluster.name);
    Print(out, "endpoint", WithoutQuery(cluster.endpoint));
    PrintAccess(out, cluster.access);
    PrintFilter(out, cluster.filter);
    out << YAML::EndMap;
  }
  out << YAML::EndSeq << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

}  // namespace runner::ingest
