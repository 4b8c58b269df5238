#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/http_request.h"
#include "tests/support/log_file.h"
#include "tests/support/metrics_text.h"

namespace runner::support {

// A running runner-ingest or runner-executor: the process, its log, its ports.
class ServiceProcess {
 public:
  // Starts the program with flags and environment in addition to the base environment, on free
  // ports unless the flags set them, and waits until it listens. Runs in `directory`; its log is
  // <name>.log there. Throws std::runtime_error with the log if it does not start. `stderr_file`:
  // the target of its stderr, if another reader writes the log.
  ServiceProcess(std::string name, const std::filesystem::path& program,
                 const std::vector<std::string>& flags, const Environment& extra,
                 const std::filesystem::path& directory,
                 const std::filesystem::path& stderr_file = {});

  const std::string& name() const { return name_; }
  ChildProcess& process() { return process_; }
  const LogFile& log() const { return log_; }
  std::string stdout_text() const;
  // The gRPC address.
  const std::string& grpc() const { return grpc_; }
  int metrics_port() const { return metrics_port_; }
  int health_port() const { return health_port_; }

  // Sets the host of its ports, if it is not 127.0.0.1.
  void ReachAt(std::string host) { host_ = std::move(host); }
  const std::string& host() const { return host_; }
  // The text of /metrics, and the same parsed.
  std::string Scrape() const;
  MetricsText Metrics() const { return MetricsText(Scrape()); }
  // GET /healthz or /readyz.
  HttpAnswer Health(const std::string& path) const;

  void Terminate() { process_.Terminate(); }
  std::optional<int> WaitForExit(Duration limit) { return process_.WaitForExit(limit); }

 private:
  std::string name_;
  std::filesystem::path stdout_file_;
  LogFile log_;
  ChildProcess process_;
  std::string host_ = "127.0.0.1";
  std::string grpc_;
  int metrics_port_ = 0;
  int health_port_ = 0;
};

// Returns a TCP port of 127.0.0.1 without a listener, outside the range of ephemeral ports: it
// stays free while its owner is restarted.
int FreePort();

}  // namespace runner::support
