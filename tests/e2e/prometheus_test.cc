// A real Prometheus scrapes both programs at work, and finds that everything adds up.

#include <chrono>
#include <fstream>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::SizeIs;

// The expressions that docs/metrics.md says are 0, as an operator would paste them.
std::vector<std::string> DocumentedExpressions() {
  std::ifstream file(RUNNER_METRICS_DOCS);
  std::vector<std::string> expressions;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line == "```promql") {
      inside = true;
      expressions.emplace_back();
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      expressions.back() += line + "\n";
    }
  }
  return expressions;
}

std::string UrlEncoded(const std::string& text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  for (const unsigned char c : text) {
    encoded += {'%', kDigits[c >> 4], kDigits[c & 0xF]};
  }
  return encoded;
}

class PrometheusTest : public SystemTest {
 protected:
  void SetUp() override {
    for (const char* program : {"prometheus", "promtool"}) {
      if (FindProgram(program)) continue;
      const std::string why =
          std::string(program) + " is not installed: apt-get install prometheus";
      if (PeersRequired()) FAIL() << why;
      GTEST_SKIP() << why;
    }
    SystemTest::SetUp();
  }
  void TearDown() override {
    if (prometheus_) {
      prometheus_->Terminate();
      EXPECT_EQ(prometheus_->WaitForExit(kPatience), 0);
      if (HasFailure()) std::cout << ReadFile(system_->directory() / "prometheus.log");
      prometheus_.reset();
    }
    SystemTest::TearDown();
  }

  // Faults come in and agents run, of several clusters and with every kind of end.
  void StartUnderLoad(const Words& ingest_flags = {}) {
    const FaultsimProcess& faultsim = system_->StartFaultsim({"--rate", "20", "--quiet"});
    Words flags = {"--severity-threshold",
                   "error",
                   "--circuit-breaker-threshold",
                   "0",
                   "--cluster-queue-size",
                   "5",
                   "--max-queue-age",
                   "2",
                   "--queue-sweep-interval",
                   "0.5"};
    flags.insert(flags.end(), ingest_flags.begin(), ingest_flags.end());
    system_->StartIngestAt({{"east", faultsim.EndpointOf("east")},
                            {"west", faultsim.EndpointOf("west")},
                            {"gone", "http://127.0.0.1:9/mcp"}},
                           flags);
    system_->StartExecutor(
        {system_->ScriptAgent(
            "sleep 0.3\ncase $RUNNER_INCIDENT_ID in *[0-3]) exit 1;; *[45]) sleep 9;; esac\n")},
        {"--agent-timeout", "1", "--agent-kill-grace", "200ms"});
    system_->AwaitAttached();
  }
  void StartPrometheus() {
    const auto file = system_->directory() / "prometheus.yaml";
    WriteFile(file,
              "global: {scrape_interval: 250ms, scrape_timeout: 250ms}\n"
              "scrape_configs:\n"
              "  - job_name: kubernetes-mcp-runner\n"
              "    static_configs: [{targets: [\"" +
                  Target(system_->ingest()) + "\", \"" + Target(system_->executor()) + "\"]}]\n");
    ChildProcess::Command command;
    command.argv = {"prometheus",
                    "--config.file",
                    file,
                    "--storage.tsdb.path",
                    system_->directory() / "tsdb",
                    "--web.listen-address",
                    Address()};
    command.directory = system_->directory();
    command.stdout_file = system_->directory() / "prometheus.out";
    command.stderr_file = system_->directory() / "prometheus.log";
    prometheus_ = std::make_unique<ChildProcess>(command);
    ASSERT_TRUE(Eventually([&] { return HttpGet(Url("/-/ready")).status == 200; }));
  }
  // What an instant query comes to.
  json Query(const std::string& expression, const std::string& time = "") {
    std::string form = "query=" + UrlEncoded(expression);
    if (!time.empty()) form += "&time=" + time;
    const HttpAnswer answer = HttpPost(Url("/api/v1/query"), form);
    EXPECT_EQ(answer.status, 200) << expression << answer.body;
    return answer.status == 200 ? json::parse(answer.body).at("data").at("result") : json::array();
  }
  // When the service was scraped, to the millisecond: all series of a scrape have its time.
  std::vector<std::string> ScrapeTimes(const ServiceProcess& service) {
    const json found = Query("up{instance=\"" + Target(service) + "\"}[5m]");
    std::vector<std::string> times;
    if (found.empty()) return times;
    for (const json& sample : found[0].at("values")) {
      if (sample[1] == "1") times.push_back(sample[0].dump());
    }
    return times;
  }
  // Every documented expression is 0 at this time; how many series say so.
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
    WriteFile(page, HttpGet("http://" + Target(service) + "/metrics").body);
    ChildProcess::Command command;
    command.argv = {"sh", "-c", "exec promtool check metrics <" + page.string()};
    command.directory = system_->directory();
    command.stdout_file = command.stderr_file = system_->directory() / "promtool.out";
    ChildProcess promtool(command);
    EXPECT_EQ(promtool.WaitForExit(kPatience), 0);
    EXPECT_EQ(ReadFile(command.stdout_file), "") << service.name();
  }
  static std::string Target(const ServiceProcess& service) {
    return "127.0.0.1:" + std::to_string(service.metrics_port());
  }
  std::string Address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string Url(const std::string& path) const { return "http://" + Address() + path; }

  const int port_ = FreePort();
  std::unique_ptr<ChildProcess> prometheus_;
};

TEST_F(PrometheusTest, PromtoolHasNothingToSayIdleOrUnderLoad) {
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

TEST_P(PrometheusAtWork, EverythingAddsUpInEveryScrape) {
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
