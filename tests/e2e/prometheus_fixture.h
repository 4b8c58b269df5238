#pragma once

#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "tests/support/system_test.h"

namespace runner::support {

// A system under load and a real Prometheus that scrapes it, with the alerts of deploy/monitoring.
// Skipped without Prometheus, unless RUNNER_REQUIRE_PEERS=1 makes that a failure.
class PrometheusFixture : public SystemTest {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Sends faults of several clusters and runs agents, with every result.
  void StartUnderLoad(const Words& ingest_flags = {}, const Words& faultsim_flags = {});
  void StartPrometheus();
  // Returns the result of an instant query.
  nlohmann::json Query(const std::string& expression, const std::string& time = "");
  // Returns the data of a GET of this path below /api/v1/.
  nlohmann::json Ask(const std::string& path);
  // Returns /metrics of the service.
  static std::string Page(const ServiceProcess& service);
  // HOST:PORT of the metrics, which is the label `instance`.
  static std::string Target(const ServiceProcess& service);

 private:
  std::string Address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string Url(const std::string& path) const { return "http://" + Address() + path; }

  const int port_ = FreePort();
  std::unique_ptr<ChildProcess> prometheus_;
};

}  // namespace runner::support
