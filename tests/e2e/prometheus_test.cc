// A real Prometheus scrapes both programs under load and evaluates the counting equations.

#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/mentions.h"
#include "tests/e2e/prometheus_fixture.h"
#include "tests/support/eventually.h"

namespace runner {
namespace {

using namespace support;
using nlohmann::json;
using ::testing::SizeIs;

// The expressions in docs/metrics.md that must be 0.
std::vector<std::string> DocumentedExpressions() {
  return PromqlBlocks(ReadFile(RUNNER_ROOT "/docs/metrics.md"));
}

class PrometheusTest : public PrometheusFixture {
 protected:
  // The times of the scrapes of the service in milliseconds; all series of a scrape share its time.
  std::vector<std::string> ScrapeTimes(const ServiceProcess& service) {
    const json found = Query("up{instance=\"" + Target(service) + "\"}[5m]");
    std::vector<std::string> times;
    if (found.empty()) return times;
    for (const json& sample : found[0].at("values")) {
      if (sample[1] == "1") times.push_back(sample[0].dump());
    }
    return times;
  }
  // Expects every documented expression to be 0 at this time; returns the number of series.
  std::size_t ExpectZeroes(const std::string& time) {
    std::size_t series = 0;
    for (const std::string& expression : DocumentedExpressions()) {
      for (const json& result : Query(expression, time)) {
        EXPECT_EQ(result.at("value")[1], "0") << result.dump() << " at " << time << "\n"
                                              << expression;
        ++series;
      }
    }
    return series;
  }
  void ExpectPromtoolHasNothingToSay(const ServiceProcess& service) {
    const auto page = system_->directory() / "page.txt";
    WriteFile(page, Page(service));
    ChildProcess::Command command;
    command.argv = {"sh", "-c", "exec promtool check metrics <" + page.string()};
    command.directory = system_->directory();
    command.stdout_file = command.stderr_file = system_->directory() / "promtool.out";
    ChildProcess promtool(command);
    EXPECT_EQ(promtool.WaitForExit(kRpcTimeout), 0);
    EXPECT_EQ(ReadFile(command.stdout_file), "") << service.name();
  }
};

TEST_F(PrometheusTest, PromtoolAcceptsTheMetricsIdleAndUnderLoad) {
  system_->StartWithoutPeer({system_->TestAgent(), "exit"});
  for (const ServiceProcess* service : system_->services()) ExpectPromtoolHasNothingToSay(*service);
  EXPECT_EQ(system_->Stop(), "");

  system_ = std::make_unique<System>();
  StartUnderLoad();
  const auto finished = [&](const char* status) {
    return system_->ingest().Metrics().Sum("incidents_finished_total", {{"status", status}});
  };
  ASSERT_TRUE(Eventually([&] {
    return finished("success") > 0 && finished("failure") > 0 && finished("evicted") > 0;
  }));
  for (const ServiceProcess* service : system_->services()) ExpectPromtoolHasNothingToSay(*service);
}

class PrometheusAtWork : public PrometheusTest,
                         public ::testing::WithParamInterface<const char*> {};

TEST_P(PrometheusAtWork, TheEquationsHoldInEveryScrape) {
  constexpr std::size_t kScrapes = 20;
  ASSERT_THAT(DocumentedExpressions(), SizeIs(4));
  StartUnderLoad({std::string("--metrics-per-cluster=") + GetParam()});
  StartPrometheus();
  const auto enough = [&](const ServiceProcess& service) {
    return ScrapeTimes(service).size() >= kScrapes;
  };
  ASSERT_TRUE(Eventually([&] { return enough(system_->ingest()) && enough(system_->executor()); }));

  std::size_t series = 0;
  std::set<std::string> received, spawned;
  for (ServiceProcess* service : system_->services()) {
    const std::vector<std::string> times = ScrapeTimes(*service);
    for (std::size_t i = times.size() - kScrapes; i < times.size(); ++i) {
      series += ExpectZeroes(times[i]);
      received.insert(Query("sum(kubernetes_mcp_runner_events_received_total)", times[i]).dump());
      spawned.insert(Query("sum(kubernetes_mcp_runner_agents_spawned_total)", times[i]).dump());
    }
  }
  std::cout << series << " sums are 0, " << received.size() << " different scrapes of ingest\n";
  EXPECT_GE(received.size(), kScrapes / 2) << "events came in meanwhile";
  EXPECT_GE(spawned.size(), kScrapes / 2) << "agents ran meanwhile";
  EXPECT_GE(series, 2 * kScrapes * 4);
  const json violations = Query("kubernetes_mcp_runner_invariant_violations_total");
  ASSERT_THAT(violations, SizeIs(1));
  EXPECT_EQ(violations[0].at("value")[1], "0");
}

INSTANTIATE_TEST_SUITE_P(All, PrometheusAtWork, ::testing::Values("true", "false"),
                         [](const auto& test) {
                           return test.param == std::string("true") ? "PerCluster" : "Summed";
                         });

}  // namespace
}  // namespace runner
