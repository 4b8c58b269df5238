#pragma once

#include <cstdint>
#include <string>

#include "common/base/clock.h"
#include "common/config/config_table.h"
#include "common/observability/logger.h"
#include "common/security/tls_files.h"

namespace runner {

// The options that both programs have.
struct CommonOptions {
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kAuto;
  std::string bind_address;  // of the metrics and health servers
  std::uint16_t metrics_port = 0;
  std::uint16_t health_port = 0;
  Duration shutdown_timeout{};
  std::string grpc_listen;  // host:port or unix:/path
  bool grpc_insecure = false;
  TlsFiles grpc_tls;            // all three, or none
  std::string grpc_token_file;  // empty: none
};

// The defaults that differ between the programs.
struct CommonDefaults {
  std::uint16_t metrics_port = 0;
  std::uint16_t health_port = 0;
  std::string grpc_listen;
};

// Adds the options and their checks to the table. Without --grpc-insecure, a gRPC server without
// TLS may only listen on a loopback address or a Unix socket. `into` outlives the table.
void DeclareCommonOptions(ConfigTable& table, const CommonDefaults& defaults, CommonOptions* into);

}  // namespace runner
