// The released kubernetes-mcp-server, which pushes nothing: ingest polls it.

#include <chrono>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/eventually.h"
#include "tests/support/kubernetes_server.h"
#include "tests/support/process_memory.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using nlohmann::json;

// Long enough to request and read a list of 11 s, and to request it again.
constexpr std::chrono::seconds kSlowLists(60);

// `behind`: by how much the clock of the reporting node is late.
json EventAbout(const std::string& pod, std::chrono::seconds behind = {}) {
  const std::time_t at =
      std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() - behind);
  char time[32];  // RFC 3339
  std::strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&at));
  return {{"type", "Warning"},
          {"reason", "BackOff"},
          {"message", "Back-off restarting failed container"},
          {"firstTimestamp", time},
          {"lastTimestamp", time},
          {"involvedObject", {{"apiVersion", "v1"}, {"kind", "Pod"}, {"name", pod}}}};
}

// A version of the server and the transport used with it.
class ReleasedServerTest
    : public SystemTest,
      public ::testing::WithParamInterface<std::pair<std::string, std::string>> {
 protected:
  void SetUp() override {
    RUNNER_SKIP_IF_MISSING(KubernetesMcpServer::Missing(GetParam().first));
    SystemTest::SetUp();
  }

  // Waits until the server has received `polls` more requests for its events.
  static void AwaitPolls(KubernetesApi& api, std::size_t polls, Duration timeout = kRpcTimeout) {
    const auto requests = [&api] {
      std::size_t count = 0;
      const json state = api.State();
      for (const json& request : state.at("requests")) {
        count += request.at("path").get<std::string>().find("/events") != std::string::npos ? 1 : 0;
      }
      return count;
    };
    const std::size_t before = requests();
    ASSERT_TRUE(Eventually([&] { return requests() >= before + polls; }, timeout));
  }
};

TEST_P(ReleasedServerTest, ANewWarningEventBecomesOneReportAndTheBaselineNone) {
  const auto& [version, transport] = GetParam();
  KubernetesApi api(system_->directory());
  api.Add(EventAbout("old-pod"));
  KubernetesMcpServer server(version, api, system_->directory());
  ServiceProcess& ingest = system_->StartIngest(
      {"--mcp-endpoint", transport == "sse" ? server.sse_endpoint() : server.endpoint(),
       "--poll-interval", "300ms"});
  system_->StartExecutor(
      {system_->ScriptAgent("mkdir -p output && { echo \"# $RUNNER_RESOURCE_NAME\";"
                            " head -c 200 /dev/zero | tr '\\0' x; } > \"$RUNNER_REPORT_FILE\"\n")},
      {"--report-file", "output/investigation.md"});
  system_->AwaitAttached();
  system_->AwaitSubscribed();
  EXPECT_TRUE(
      ingest.log().Has("SSE connection established", {{"mode", "poll"}, {"transport", transport}}));

  api.Add(EventAbout("new-pod"));
  const v1::IncidentStatus incident = system_->AwaitFinished(std::size_t{1}).front();
  EXPECT_EQ(incident.status(), "success");
  EXPECT_EQ(incident.incident().resource().name(), "new-pod");
  EXPECT_EQ(incident.incident().fault_type(), "CrashLoop");
  EXPECT_EQ(incident.incident().severity(), "critical");
  v1::IncidentStatus whole;
  ASSERT_TRUE(system_->Admin().Get(incident.incident().incident_id(), &whole).ok());
  EXPECT_THAT(whole.outcome().report(), ::testing::StartsWith("# new-pod"));

  AwaitPolls(api, 3);
  EXPECT_EQ(system_->Admin().List().size(), 1u);
  EXPECT_EQ(ingest.Metrics().Sum("events_received_total"), 1);
}

TEST_P(ReleasedServerTest, PollingContinuesAfterARestartWithoutRepeats) {
  const auto& [version, transport] = GetParam();
  KubernetesApi api(system_->directory());
  KubernetesMcpServer server(version, api, system_->directory());
  ServiceProcess& ingest = system_->StartIngest(
      {"--mcp-endpoint", transport == "sse" ? server.sse_endpoint() : server.endpoint(),
       "--poll-interval", "300ms", "--sse-reconnect-initial-delay", "0.1",
       "--sse-reconnect-max-delay", "0.3"});
  system_->AwaitSubscribed();
  api.Add(EventAbout("first"));
  ASSERT_TRUE(Eventually([&] { return ingest.Metrics().Sum("events_received_total") == 1; }));

  server.Kill();
  ASSERT_TRUE(Eventually([&] { return ingest.Metrics().Sum("sse_connections_active") == 0; }));
  api.Add(EventAbout("meanwhile"));
  server.Restart();
  system_->AwaitSubscribed();
  ASSERT_TRUE(Eventually([&] { return ingest.Metrics().Sum("events_received_total") == 2; }));
  AwaitPolls(api, 3);
  EXPECT_EQ(ingest.Metrics().Sum("events_received_total"), 2);
  EXPECT_GT(ingest.Metrics().Sum("sse_gap_seconds_total"), 0);
}

// The lists of a large cluster, slow and with a late node clock, across a restart.
TEST_P(ReleasedServerTest, LongAndSlowListsHideNoEventAcrossARestart) {
  const auto& [version, transport] = GetParam();
  if (kSanitized && version != "0.0.67") {
    GTEST_SKIP() << "the sanitizers look at one version; the others differ in the server only";
  }
  KubernetesApi api(system_->directory());
  api.Control("bulk", {{"count", 300}, {"messageBytes", 76'000}});
  KubernetesMcpServer server(version, api, system_->directory());
  ServiceProcess& ingest = system_->StartIngest(
      {"--mcp-endpoint", transport == "sse" ? server.sse_endpoint() : server.endpoint(),
       "--poll-interval", "300ms", "--sse-reconnect-initial-delay", "0.1",
       "--sse-reconnect-max-delay", "0.3", "--cluster-queue-size", "1000"});
  const auto incidents = [&] { return system_->Admin().List().size(); };
  system_->AwaitSubscribed();
  api.Control("delay", {{"ms", 11'000}});
  api.Add(EventAbout("late-pod", std::chrono::seconds(90)));
  ASSERT_TRUE(Eventually([&] { return incidents() == 1; }, kSlowLists));
  EXPECT_EQ(ingest.Metrics().Sum("sse_connection_errors_total"), 0);

  server.Kill();
  ASSERT_TRUE(Eventually([&] { return ingest.Metrics().Sum("sse_connections_active") == 0; }));
  api.Control("delay", {{"ms", 0}});
  api.Add(EventAbout("pod-of-the-gap", std::chrono::seconds(90)));
  server.Restart();
  ASSERT_TRUE(Eventually([&] { return incidents() == 2; }, kSlowLists));
  AwaitPolls(api, 2, kSlowLists);
  const std::vector<v1::IncidentStatus> all = system_->Admin().List();
  ASSERT_EQ(all.size(), 2u);
  for (const v1::IncidentStatus& incident : all) {
    EXPECT_EQ(incident.incident().fault_type(), "CrashLoop");
    EXPECT_EQ(incident.incident().severity(), "critical");
  }
  const std::size_t peak = PeakResidentMemory(ingest.process().pid());
  std::printf("peak resident memory with 300 events of 76 KB, from %s over %s: %zu MiB\n",
              version.c_str(), transport.c_str(), peak >> 20);
  if (kSanitized) return;
  EXPECT_LT(peak, std::size_t{192} << 20);
}

INSTANTIATE_TEST_SUITE_P(Versions, ReleasedServerTest,
                         ::testing::Values(std::pair("0.0.67", "streamable-http"),
                                           std::pair("0.0.66", "sse"),
                                           std::pair("0.0.60", "streamable-http"),
                                           std::pair("0.0.59", "streamable-http"),
                                           std::pair("0.0.54", "streamable-http")),
                         [](const auto& test) {
                           const std::string version = test.param.first.substr(4);
                           return "v" + version + (test.param.second == "sse" ? "_over_sse" : "");
                         });

// Lists of large clusters: ingest uses what is in bounds and stays subscribed.
class UnkindListTest : public SystemTest {
 protected:
  void SetUp() override {
    RUNNER_SKIP_IF_MISSING(KubernetesMcpServer::Missing("0.0.67"));
    SystemTest::SetUp();
    api_.emplace(system_->directory());
    server_.emplace("0.0.67", *api_, system_->directory());
  }
  void TearDown() override {
    server_.reset();
    api_.reset();
    SystemTest::TearDown();
  }
  ServiceProcess& StartIngest(const Words& flags = {}) {
    Words all = {
        "--mcp-endpoint", server_->endpoint(),    "--poll-interval", "300ms", "--global-queue-size",
        "100000",         "--cluster-queue-size", "100000"};
    all.insert(all.end(), flags.begin(), flags.end());
    return system_->StartIngest(all);
  }
  double Metric(const std::string& name) { return system_->ingest().Metrics().Sum(name); }
  // Expects the event of that pod over the first connection.
  void ExpectReceived(const std::string& pod) {
    EXPECT_TRUE(Eventually(
        [&] {
          return system_->ingest().log().Has(
              "Event received", {{"resource", "Pod/shop/" + pod}, {"severity", "critical"}});
        },
        kSlowLists))
        << pod;
    EXPECT_EQ(Metric("sse_connections_active"), 1);
    EXPECT_EQ(Metric("sse_connection_errors_total"), 0);
  }
  void ReportMemory(const std::string& what) {
    const std::size_t peak = PeakResidentMemory(system_->ingest().process().pid());
    std::printf("peak resident memory with %s: %zu MiB\n", what.c_str(), peak >> 20);
    if (kSanitized) return;
    EXPECT_LT(peak, std::size_t{192} << 20) << what;
  }

  std::optional<KubernetesApi> api_;
  std::optional<KubernetesMcpServer> server_;
};

TEST_F(UnkindListTest, A300KiBEventHidesNoOther) {
  api_->Control("bulk", {{"count", 1}, {"messageBytes", 300 << 10}});
  StartIngest();
  system_->AwaitSubscribed();
  api_->Control("bulk", {{"count", 1}, {"messageBytes", 300 << 10}});
  api_->Add(EventAbout("new-pod"));
  ExpectReceived("new-pod");
  ASSERT_TRUE(Eventually([&] { return Metric("events_received_total") == 2; }));
  EXPECT_EQ(Metric("list_entries_dropped_total"), 0);
  EXPECT_TRUE(system_->ingest().log().Has("Event list truncated"));
}

TEST_F(UnkindListTest, A21MiBListHidesNoEvent) {
  api_->Control("bulk", {{"count", 300}, {"messageBytes", 76'000}});
  StartIngest();
  system_->AwaitSubscribed();
  api_->Add(EventAbout("new-pod"));
  ExpectReceived("new-pod");
  EXPECT_EQ(Metric("events_received_total"), 1) << "the first list is only the baseline";
  ReportMemory("300 events of 76 KB");
}

TEST_F(UnkindListTest, TheFirstTenThousandOfFortyThousandEntriesAreUsed) {
  api_->Add(EventAbout("early-pod"));
  StartIngest({"--severity-threshold", "critical"});  // the others are only counted
  system_->AwaitSubscribed();
  api_->Add(EventAbout("new-pod"));
  api_->Control("bulk", {{"count", 39'998}, {"messageBytes", 150}, {"reason", "Unhealthy"}});
  ExpectReceived("new-pod");
  ASSERT_TRUE(
      Eventually([&] { return Metric("list_entries_dropped_total") >= 30'000; }, kSlowLists));
  EXPECT_TRUE(Eventually([&] { return Metric("events_received_total") == 9'999; }, kSlowLists));
  EXPECT_EQ(static_cast<long>(Metric("list_entries_dropped_total")) % 30'000, 0);
  ReportMemory("40,000 entries");
}

TEST_F(UnkindListTest, AnElevenSecondListIsRead) {
  api_->Control("delay", {{"ms", 11'000}});
  StartIngest();
  ASSERT_TRUE(Eventually([&] { return Metric("sse_connections_active") == 1; }, kSlowLists));
  api_->Add(EventAbout("new-pod"));
  ASSERT_TRUE(Eventually([&] { return Metric("events_received_total") == 1; }, kSlowLists));
  EXPECT_EQ(Metric("sse_connection_errors_total"), 0);
}

TEST_F(UnkindListTest, AListBeyondTheListTimeoutIsATimeout) {
  api_->Control("delay", {{"ms", 5'000}});
  StartIngest({"--list-timeout", "500ms"});
  EXPECT_TRUE(Eventually([&] {
    return system_->ingest().log().Has("SSE connection failed, retrying", {{"reason", "timeout"}});
  }));
}

TEST_F(UnkindListTest, AnEventWithALateClockIsReceivedOnce) {
  StartIngest();
  system_->AwaitSubscribed();
  api_->Add(EventAbout("first-pod"));
  ExpectReceived("first-pod");
  api_->Add(EventAbout("late-pod", std::chrono::seconds(90)));
  ExpectReceived("late-pod");
  api_->Add(EventAbout("last-pod"));
  ExpectReceived("last-pod");
  EXPECT_EQ(Metric("events_received_total"), 3);
}

}  // namespace
}  // namespace runner
