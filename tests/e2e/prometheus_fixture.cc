#include "tests/e2e/prometheus_fixture.h"

#include <iostream>

#include "tests/support/eventually.h"

namespace runner::support {
namespace {

using nlohmann::json;

std::string UrlEncoded(const std::string& text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  for (const unsigned char c : text) {
    encoded += {'%', kDigits[c >> 4], kDigits[c & 0xF]};
  }
  return encoded;
}

}  // namespace

void PrometheusFixture::SetUp() {
  for (const char* program : {"prometheus", "promtool"}) {
    if (FindProgram(program)) continue;
    const std::string why = std::string(program) + " is not installed: apt-get install prometheus";
    if (PeersRequired()) FAIL() << why;
    GTEST_SKIP() << why;
  }
  SystemTest::SetUp();
}

void PrometheusFixture::TearDown() {
  if (prometheus_) {
    prometheus_->Terminate();
    EXPECT_EQ(prometheus_->WaitForExit(kRpcTimeout), 0);
    if (HasFailure()) std::cout << ReadFile(system_->directory() / "prometheus.log");
    prometheus_.reset();
  }
  SystemTest::TearDown();
}

void PrometheusFixture::StartUnderLoad(const Words& ingest_flags, const Words& faultsim_flags) {
  Words of_faultsim = {"--rate", "20", "--quiet"};
  of_faultsim.insert(of_faultsim.end(), faultsim_flags.begin(), faultsim_flags.end());
  const FaultsimProcess& faultsim = system_->StartFaultsim(of_faultsim);
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

void PrometheusFixture::StartPrometheus() {
  const auto file = system_->directory() / "prometheus.yaml";
  WriteFile(file,
            "global: {scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 1s}\n"
            "rule_files: [" RUNNER_ROOT
            "/deploy/monitoring/alerts.yaml]\n"
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

json PrometheusFixture::Query(const std::string& expression, const std::string& time) {
  std::string form = "query=" + UrlEncoded(expression);
  if (!time.empty()) form += "&time=" + time;
  const HttpAnswer answer = HttpPost(Url("/api/v1/query"), form);
  EXPECT_EQ(answer.status, 200) << expression << answer.body;
  return answer.status == 200 ? json::parse(answer.body).at("data").at("result") : json::array();
}

json PrometheusFixture::Ask(const std::string& path) {
  const HttpAnswer answer = HttpGet(Url("/api/v1/" + path));
  EXPECT_EQ(answer.status, 200) << path << answer.body;
  return answer.status == 200 ? json::parse(answer.body).at("data") : json();
}

std::string PrometheusFixture::Page(const ServiceProcess& service) {
  return HttpGet("http://" + Target(service) + "/metrics").body;
}

std::string PrometheusFixture::Target(const ServiceProcess& service) {
  return "127.0.0.1:" + std::to_string(service.metrics_port());
}

}  // namespace runner::support
