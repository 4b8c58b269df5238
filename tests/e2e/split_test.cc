// Ingest and remote executors: each in its own network, with mutual TLS between them.

#include <chrono>
#include <iostream>
#include <map>
#include <sstream>
#include <string>

#include <gmock/gmock.h>

#include "tests/support/eventually.h"
#include "tests/support/network.h"
#include "tests/support/process_table.h"
#include "tests/support/system_test.h"
#include "tests/support/tls_keys.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;

class SplitTest : public SystemTest {
 protected:
  void SetUp() override {
    RUNNER_SKIP_IF_MISSING(Network::Missing());
    SystemTest::SetUp();
    network_ = std::make_unique<Network>();
    keys_ = std::make_unique<TlsKeys>(system_->directory() / "keys");
    system_->SpreadOver(*network_);
    system_->CallWith(keys_->Operator());
  }
  void TearDown() override {
    SystemTest::TearDown();
    network_.reset();
  }

  void StartIngest(const Endpoints& clusters, Words flags) {
    const Words tls =
        keys_->FlagsFor({.subject = "ingest", .names = "IP:" + network_->next_address()});
    flags.insert(flags.end(), tls.begin(), tls.end());
    flags.insert(flags.end(), {"--grpc-listen", "0.0.0.0:50051"});
    system_->StartIngestAt(clusters, flags);
  }
  ServiceProcess& StartExecutor(const std::string& id, const std::string& agent,
                                const Words& more = {}) {
    Words flags = keys_->FlagsFor({.subject = id});
    flags.insert(flags.end(),
                 {"--executor-id", id, "--workspace-root", system_->directory() / ("of-" + id),
                  "--sidecar=false", "--shutdown-timeout", "60"});
    flags.insert(flags.end(), more.begin(), more.end());
    return system_->StartExecutor({agent}, flags);
  }
  void AwaitExecutors(double count) {
    EXPECT_TRUE(Eventually(
        [&] { return system_->ingest().Metrics().Sum("executors_connected") == count; }));
  }
  double Finished() { return system_->ingest().Metrics().Sum("incidents_finished_total"); }

  std::unique_ptr<Network> network_;
  std::unique_ptr<TlsKeys> keys_;
};

// The same on one machine.
class ApartTest : public SystemTest {};

TEST_F(SplitTest, ScalingFromOneToThreeAndBackLosesAndRepeatsNothing) {
  constexpr int kClusters = 15;
  constexpr int kIncidents = 120;
  Endpoints clusters;
  for (int i = 0; i < kClusters; ++i) {
    clusters.emplace_back("c" + std::to_string(i), "http://127.0.0.1:9/mcp");
  }
  StartIngest(clusters, {"--max-concurrent-agents", "15", "--log-level", "info"});
  const auto began = system_->directory() / "began";
  const std::string agent =
      system_->ScriptAgent("echo $RUNNER_INCIDENT_ID >>" + began.string() + "\nsleep 0.7\n");
  StartExecutor("one", agent);
  AwaitExecutors(1);
  int submitted = 0;
  const auto submit_to = [&](int count) {
    for (; submitted < count; ++submitted) {
      const std::string number = std::to_string(submitted);
      system_->Submit("pod-" + number, "error", "c" + std::to_string(submitted % kClusters));
    }
  };
  submit_to(40);
  ServiceProcess& two = StartExecutor("two", agent);
  ServiceProcess& three = StartExecutor("three", agent);
  AwaitExecutors(3);
  submit_to(kIncidents);
  const auto busy = [](const ServiceProcess& executor) {
    return executor.Metrics().Sum("agents_active") >= 2;
  };
  ASSERT_TRUE(Eventually([&] { return busy(two) && busy(three); }));
  two.Terminate();
  three.Terminate();
  EXPECT_EQ(two.WaitForExit(60s), 0);
  EXPECT_EQ(three.WaitForExit(60s), 0);
  EXPECT_LT(Finished(), kIncidents) << "the load was over before the executors went";
  AwaitExecutors(1);
  ASSERT_TRUE(Eventually([&] { return Finished() == kIncidents; }, 60s));

  const MetricsText ingest = system_->ingest().Metrics();
  EXPECT_EQ(ingest.Sum("incidents_finished_total", {{"status", "success"}}), kIncidents);
  std::map<std::string, int> runs;
  std::istringstream lines(ReadFile(began));
  for (std::string id; std::getline(lines, id);) ++runs[id];
  EXPECT_EQ(runs.size(), std::size_t{kIncidents});
  for (const auto& [id, count] : runs) EXPECT_EQ(count, 1) << id;
  for (ServiceProcess* executor : {&two, &three}) {
    EXPECT_FALSE(executor->log().With("Agent finished").empty()) << executor->name();
  }
}

TEST_F(SplitTest, APeerWithoutAValidCertificateIsRejectedAndBothLogIt) {
  StartIngest({{"prod", "http://127.0.0.1:9/mcp"}}, {});
  const auto says = [](const ServiceProcess& service, const char* message, const char* text) {
    return service.log().ComesToSay(message, text);
  };
  const auto start = [&](const std::string& id, const Words& tls) -> ServiceProcess& {
    Words flags = tls;
    flags.insert(flags.end(), {"--executor-id", id, "--workspace-root",
                               system_->directory() / ("of-" + id), "--sidecar=false"});
    return system_->StartExecutor({"true"}, flags);
  };
  constexpr const char* kNotAttached = "Not attached to ingest, retrying";
  ServiceProcess& expired =
      start("expired", keys_->FlagsFor({.subject = "expired", .from = -2h, .until = -1h}));
  const TestCertificate other("other");
  ServiceProcess& foreign =
      start("foreign",
            keys_->FlagsFor("foreign", other.Issue({.subject = "foreign"}), keys_->root().pem()));
  ServiceProcess& none = start("none", {});
  const ServiceProcess& ingest = system_->ingest();
  EXPECT_TRUE(says(ingest, "TLS peer rejected", "certificate of expired: certificate has expired"));
  EXPECT_TRUE(says(expired, kNotAttached, "certificate has expired"));
  EXPECT_TRUE(says(ingest, "TLS peer rejected", "other is not a trusted authority"));
  EXPECT_TRUE(says(foreign, kNotAttached, "other is not a trusted authority"));
  EXPECT_TRUE(says(ingest, "TLS handshake failed", "wrong version number"));
  EXPECT_TRUE(says(none, kNotAttached, "check whether ingest requires TLS"));
  EXPECT_EQ(ingest.Metrics().Sum("executors_connected"), 0);
}

TEST_F(SplitTest, AnIsolatedExecutorStopsItsRunBeforeAnotherStartsIt) {
  const std::string test_agent = system_->TestAgent();
  const std::string agent = system_->ScriptAgent("[ $RUNNER_ATTEMPT -eq 1 ] || exit 0\nexec " +
                                                 test_agent + " ignore-term\n");
  StartIngest({{"prod", "http://127.0.0.1:9/mcp"}}, {"--lease-ttl", "26"});
  ServiceProcess& first = StartExecutor("first", agent, {"--agent-kill-grace", "0.5"});
  system_->AwaitAttached();
  const std::string id = system_->Submit("a");
  system_->AwaitAgentStarted(id);

  network_->Pull(first.host());
  const auto gone = [&] { return ProcessesNaming(test_agent + " ignore-term").empty(); };
  EXPECT_TRUE(Eventually(gone, 26s));
  EXPECT_FALSE(system_->ingest().log().Has("Incident requeued")) << "before its lease is lost";
  StartExecutor("second", agent, {"--agent-kill-grace", "0.5"});
  // Ingest pings a silent connection after 30 s.
  ASSERT_TRUE(Eventually(
      [&] { return system_->ingest().log().Has("Incident finished", {{"incident_id", id}}); },
      90s));

  network_->Plug(first.host());
  EXPECT_TRUE(Eventually([&] { return first.Health("/readyz").status == 200; }, 40s));
  EXPECT_TRUE(first.log().Has("Agent finished", {{"reason", "lease_deadline"}}));
  const v1::IncidentStatus incident = system_->AwaitFinished(id);
  EXPECT_EQ(incident.status(), "success");
  EXPECT_EQ(incident.attempt(), 2u);
  EXPECT_EQ(Finished(), 1);
}

TEST_F(ApartTest, AStoppedExecutorHasNoAgentLeftWhenItsLeasesExpire) {
  constexpr Duration kLeaseTtl = 26s;  // the minimum with this kill grace
  const std::string test_agent = system_->TestAgent();
  const std::string agent = system_->ScriptAgent("[ $RUNNER_ATTEMPT -eq 1 ] || exit 0\nexec " +
                                                 test_agent + " ignore-term\n");
  system_->StartIngest({"--lease-ttl", "26"});
  const Words apart = {"--sidecar=false", "--agent-kill-grace", "0.5"};
  ServiceProcess& first = system_->StartExecutor({agent}, apart);
  system_->AwaitAttached();
  const std::string id = system_->Submit("a");
  system_->AwaitAgentStarted(id);
  first.process().Signal(SIGSTOP);
  const auto stopped = std::chrono::steady_clock::now();
  const auto gone = [&] { return ProcessesNaming(test_agent + " ignore-term").empty(); };
  EXPECT_TRUE(Eventually(gone, kLeaseTtl));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - stopped;
  std::cout << "agent gone " << took.count() << " s after its executor was stopped\n";
  EXPECT_FALSE(system_->ingest().log().Has("Incident requeued")) << "before its lease is lost";

  Words second = apart;
  second.insert(second.end(),
                {"--executor-id", "second", "--workspace-root", system_->directory() / "second"});
  system_->StartExecutor({agent}, second);
  // Ingest pings a silent connection after 30 s.
  const auto finished = [&] {
    return system_->ingest().log().Has("Incident finished", {{"incident_id", id}});
  };
  ASSERT_TRUE(Eventually(finished, 40s + kLeaseTtl + 20s));
  first.process().Signal(SIGCONT);
  EXPECT_TRUE(Eventually([&] {
    return first.log().Has("Agent finished", {{"reason", "lease_deadline"}}) &&
           first.Health("/readyz").status == 200;
  }));
  const v1::IncidentStatus incident = system_->AwaitFinished(id);
  EXPECT_EQ(incident.status(), "success");
  EXPECT_EQ(incident.attempt(), 2u);
  EXPECT_EQ(system_->ingest().Metrics().Sum("incidents_finished_total"), 1);
}

}  // namespace
}  // namespace runner
