#include "common/standard_options.h"

#include "common/address.h"

namespace runner {

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
                   &into->grpc_listen)
      .Bool({.flag = "--grpc-insecure",
             .env = {"GRPC_INSECURE"},
             .default_text = "false",
             .help = "permit gRPC in plain text beyond loopback and Unix sockets"},
            &into->grpc_insecure)
      .Check({"--grpc-listen", "--grpc-insecure"}, [into]() -> std::optional<std::string> {
        const auto address = ParseAddress(into->grpc_listen);
        if (into->grpc_insecure || !address || address->IsLocal()) return std::nullopt;
        return "--grpc-listen: \"" + into->grpc_listen +
               "\" would serve plain text beyond this machine; allowed: a loopback address, "
               "unix:/path, or any address with --grpc-insecure";
      });
}

}  // namespace runner
