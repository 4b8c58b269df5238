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
    return "--grpc-tls-cert, --grpc-tls-key and --grpc-tls-ca go together, as both ends show a "
           "certificate; set all three, or none";
  }
  const auto loaded = LoadTls(files);
  const auto* why = std::get_if<std::string>(&loaded);
  if (why == nullptr) return std::nullopt;
  return "--grpc-tls-cert, --grpc-tls-key, --grpc-tls-ca: " + *why;
}

// The port of gRPC is that of another server of this process, at the same address.
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
             "; expected another port, or 0 for a free one";
    }
  }
  return std::nullopt;
}

void DeclareGrpcSecurity(ConfigTable& table, CommonOptions* into) {
  table
      .Path({.flag = "--grpc-tls-cert",
             .env = {"GRPC_TLS_CERT"},
             .help = "certificate (PEM) shown to gRPC peers at other addresses than Unix sockets"},
            &into->grpc_tls.certificate)
      .Path({.flag = "--grpc-tls-key", .env = {"GRPC_TLS_KEY"}, .help = "key of that certificate"},
            &into->grpc_tls.key)
      .Path({.flag = "--grpc-tls-ca",
             .env = {"GRPC_TLS_CA"},
             .help = "authorities whose certificates gRPC peers must show"},
            &into->grpc_tls.ca)
      .Path({.flag = "--grpc-token-file",
             .env = {"GRPC_TOKEN_FILE"},
             .help = "file with a token that calls which change something must show"},
            &into->grpc_token_file)
      .Bool({.flag = "--grpc-insecure",
             .env = {"GRPC_INSECURE"},
             .default_text = "false",
             .help = "permit gRPC without TLS beyond loopback and Unix sockets"},
            &into->grpc_insecure)
      .Check({"--grpc-tls-cert", "--grpc-tls-key", "--grpc-tls-ca"},
             [into] { return ValidateTls(into->grpc_tls); })
      .Check({"--grpc-token-file"},
             [into]() -> std::optional<std::string> {
               if (into->grpc_token_file.empty()) return std::nullopt;
               BearerToken token(into->grpc_token_file);
               if (token.Get() != nullptr) return std::nullopt;
               return "--grpc-token-file: " + token.problem();
             })
      .Check({"--grpc-listen", "--grpc-insecure", "--grpc-tls-cert"},
             [into]() -> std::optional<std::string> {
               const auto address = ParseAddress(into->grpc_listen);
               const bool tls = !into->grpc_tls.certificate.empty();
               if (tls || into->grpc_insecure || !address || address->IsLocal()) {
                 return std::nullopt;
               }
               return "--grpc-listen: \"" + into->grpc_listen +
                      "\" would serve plain text beyond this machine; expected any address with "
                      "--grpc-tls-cert, -key and -ca, a loopback address, unix:/path, or any "
                      "address with --grpc-insecure";
             });
}

}  // namespace

void DeclareCommonOptions(ConfigTable& table, const CommonDefaults& defaults, CommonOptions* into) {
  table
      .Enum<LogLevel>({.flag = "--log-level",
                       .env = {"LOG_LEVEL"},
                       .default_text = "info",
                       .help = "the least severe log lines that are written"},
                      {{"debug", LogLevel::kDebug},
                       {"info", LogLevel::kInfo},
                       {"warn", LogLevel::kWarn},
                       {"error", LogLevel::kError}},
                      &into->log_level)
      .Enum<LogFormat>(
          {.flag = "--log-format",
           .env = {"LOG_FORMAT"},
           .default_text = "auto",
           .help = "auto: text when stderr is a terminal, else json"},
          {{"auto", LogFormat::kAuto}, {"json", LogFormat::kJson}, {"text", LogFormat::kText}},
          &into->log_format)
      .IpAddress({.flag = "--bind-address",
                  .env = {"BIND_ADDRESS"},
                  .default_text = "0.0.0.0",
                  .help = "where metrics and health are served"},
                 &into->bind_address)
      .Port({.flag = "--metrics-port",
             .env = {"METRICS_PORT"},
             .default_text = std::to_string(defaults.metrics_port),
             .help = "port of /metrics"},
            &into->metrics_port)
      .Port({.flag = "--health-port",
             .env = {"HEALTH_PORT"},
             .default_text = std::to_string(defaults.health_port),
             .help = "port of /healthz and /readyz"},
            &into->health_port)
      .Seconds({.flag = "--shutdown-timeout",
                .env = {"SHUTDOWN_TIMEOUT_SECONDS"},
                .default_text = "30",
                .help = "how long a shutdown may take before what still runs is stopped"},
               {}, &into->shutdown_timeout)
      .AddressText({.flag = "--grpc-listen",
                    .env = {"GRPC_LISTEN"},
                    .default_text = defaults.grpc_listen,
                    .help = "where gRPC is served"},
                   &into->grpc_listen);
  DeclareGrpcSecurity(table, into);
  table.Check({"--metrics-port", "--health-port"}, [into]() -> std::optional<std::string> {
    if (into->metrics_port != into->health_port || into->metrics_port == 0) return std::nullopt;
    return "--health-port: " + std::to_string(into->health_port) +
           " is also the port of --metrics-port; expected another port, or 0 for a free one";
  });
  table.Check({"--metrics-port", "--health-port", "--bind-address", "--grpc-listen"},
              [into] { return ValidateGrpcPort(*into); });
}

}  // namespace runner
