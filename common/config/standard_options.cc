#include "common/config/standard_options.h"

#include "common/base/address.h"
#include "common/base/values.h"
#include "common/security/bearer_token.h"
#include "common/security/certificates.h"

namespace runner {
namespace {

std::optional<std::string> ValidateTls(const TlsFiles& files) {
  const bool none = files.certificate.empty() && files.key.empty() && files.ca.empty();
  if (none) return std::nullopt;
  if (files.certificate.empty() || files.key.empty() || files.ca.empty()) {
    return "--grpc-tls-cert, --grpc-tls-key, --grpc-tls-ca: not all of them are set, and gRPC "
           "authenticates both peers; set all three or none";
  }
  const auto loaded = LoadTls(files);
  const auto* why = std::get_if<std::string>(&loaded);
  if (why == nullptr) return std::nullopt;
  return "--grpc-tls-cert, --grpc-tls-key, --grpc-tls-ca: " + *why;
}

// Rejects a gRPC port that another server of this process uses at the same address.
std::optional<std::string> ValidateGrpcPort(const CommonOptions& options) {
  const auto address = ParseAddress(options.grpc_listen);
  if (!address || !address->unix_path.empty() || address->port == 0) return std::nullopt;
  const auto any = [](const std::string& host) { return host == "0.0.0.0" || host == "::"; };
  const bool meet =
      any(options.bind_address) || any(address->host) || options.bind_address == address->host;
  for (const auto& [flag, port] : {std::pair("--metrics-port", options.metrics_port),
                                   {"--health-port", options.health_port}}) {
    if (meet && port == address->port) {
      return "--grpc-listen: " + QuoteValue(options.grpc_listen) + " has the port of " + flag +
             "; expected another port, or 0";
    }
  }
  return std::nullopt;
}

OptionSpec WithDefault(std::string_view flag, std::string default_text) {
  OptionSpec spec = SpecOf(flag);
  spec.default_text = std::move(default_text);
  return spec;
}

void DeclareGrpcSecurity(ConfigTable& table, CommonOptions* into) {
  table.Add(PathOption(SpecOf("--grpc-tls-cert"), &into->grpc_tls.certificate))
      .Add(PathOption(SpecOf("--grpc-tls-key"), &into->grpc_tls.key))
      .Add(PathOption(SpecOf("--grpc-tls-ca"), &into->grpc_tls.ca))
      .Add(PathOption(SpecOf("--grpc-token-file"), &into->grpc_token_file))
      .Add(SwitchOption(SpecOf("--grpc-insecure"), &into->grpc_insecure))
      .Check({"--grpc-tls-cert", "--grpc-tls-key", "--grpc-tls-ca"},
             [into] { return ValidateTls(into->grpc_tls); })
      .Check({"--grpc-token-file"},
             [into]() -> std::optional<std::string> {
               if (into->grpc_token_file.empty()) return std::nullopt;
               BearerToken token(into->grpc_token_file);
               if (token.Get() != nullptr) return std::nullopt;
               return "--grpc-token-file: " + token.problem();
             })
      .Check(
          {"--grpc-listen", "--grpc-insecure", "--grpc-tls-cert"},
          [into]() -> std::optional<std::string> {
            const auto address = ParseAddress(into->grpc_listen);
            const bool tls = !into->grpc_tls.certificate.empty();
            if (tls || into->grpc_insecure || !address || address->IsLocal()) {
              return std::nullopt;
            }
            return "--grpc-listen: \"" + into->grpc_listen +
                   "\" is reachable from other machines without TLS; expected a loopback address, "
                   "unix:/path, or any address with --grpc-tls-cert, --grpc-tls-key and "
                   "--grpc-tls-ca, or with --grpc-insecure";
          });
}

}  // namespace

void DeclareCommonOptions(ConfigTable& table, const CommonDefaults& defaults, CommonOptions* into) {
  table
      .Add(EnumOption<LogLevel>(SpecOf("--log-level"),
                                {{"debug", LogLevel::kDebug},
                                 {"info", LogLevel::kInfo},
                                 {"warn", LogLevel::kWarn},
                                 {"error", LogLevel::kError}},
                                &into->log_level))
      .Add(EnumOption<LogFormat>(
          SpecOf("--log-format"),
          {{"auto", LogFormat::kAuto}, {"json", LogFormat::kJson}, {"text", LogFormat::kText}},
          &into->log_format))
      .Add(IpOption(SpecOf("--bind-address"), &into->bind_address))
      .Add(PortOption(WithDefault("--metrics-port", std::to_string(defaults.metrics_port)),
                      &into->metrics_port))
      .Add(PortOption(WithDefault("--health-port", std::to_string(defaults.health_port)),
                      &into->health_port))
      .Add(DurationOption(SpecOf("--shutdown-timeout"), {}, &into->shutdown_timeout))
      .Add(AddressOption(WithDefault("--grpc-listen", defaults.grpc_listen), &into->grpc_listen));
  DeclareGrpcSecurity(table, into);
  table.Check({"--metrics-port", "--health-port"}, [into]() -> std::optional<std::string> {
    if (into->metrics_port != into->health_port || into->metrics_port == 0) return std::nullopt;
    return "--health-port: " + std::to_string(into->health_port) +
           " is also the port of --metrics-port; expected another port, or 0";
  });
  table.Check({"--metrics-port", "--health-port", "--bind-address", "--grpc-listen"},
              [into] { return ValidateGrpcPort(*into); });
}

}  // namespace runner
