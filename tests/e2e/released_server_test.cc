// The released kubernetes-mcp-server, which pushes nothing: its events become reports all the same.

#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/eventually.h"
#include "tests/support/kubernetes_server.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using nlohmann::json;

json EventAbout(const std::string& pod) {
  return {{"type", "Warning"},
          {"reason", "BackOff"},
          {"message", "Back-off restarting failed container"},
          {"involvedObject", {{"apiVersion", "v1"}, {"kind", "Pod"}, {"name", pod}}}};
}

// A version, and the transport that it is met over.
class ReleasedServerTest
    : public SystemTest,
      public ::testing::WithParamInterface<std::pair<std::string, std::string>> {
 protected:
  void SetUp() override {
    RUNNER_SKIP_IF_MISSING(KubernetesMcpServer::Missing(GetParam().first));
    SystemTest::SetUp();
  }

  // Returns once the server was asked so many times for its events since now.
  static void AwaitPolls(KubernetesApi& api, std::size_t polls) {
    const auto asked = [&api] {
      std::size_t count = 0;
      const json state = api.State();
      for (const json& request : state.at("requests")) {
        count += request.at("path").get<std::string>().find("/events") != std::string::npos ? 1 : 0;
      }
      return count;
    };
    const std::size_t before = asked();
    ASSERT_TRUE(Eventually([&] { return asked() >= before + polls; }));
  }
};

TEST_P(ReleasedServerTest, AWarningEventBecomesOneReportAndWhatWasThereBeforeDoesNot) {
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
  EXPECT_EQ(incident.incident().fault_type(), "BackOff");
  v1::IncidentStatus whole;
  ASSERT_TRUE(system_->Admin().Get(incident.incident().incident_id(), &whole).ok());
  EXPECT_THAT(whole.outcome().report(), ::testing::StartsWith("# new-pod"));

  AwaitPolls(api, 3);
  EXPECT_EQ(system_->Admin().List().size(), 1u);
  EXPECT_EQ(ingest.Metrics().Sum("events_received_total"), 1);
}

TEST_P(ReleasedServerTest, AServerThatComesBackIsPolledOnAndNothingIsTakenTwice) {
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

INSTANTIATE_TEST_SUITE_P(Versions, ReleasedServerTest,
                         ::testing::Values(std::pair("0.0.67", "streamable-http"),
                                           std::pair("0.0.66", "sse")),
                         [](const auto& test) {
                           return test.param.second == "sse" ? "v0_0_66_over_sse" : "v0_0_67";
                         });

}  // namespace
}  // namespace runner
