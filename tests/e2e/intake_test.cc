// An MCP server on the official SDK that deviates, loses state, rejects and drops. Ingest must stay
// subscribed or log the cause.

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using nlohmann::json;
using ::testing::HasSubstr;

class IntakeTest : public PeerTest {
 protected:
  void Start(const Words& peer_flags, const Words& ingest_flags = {}) {
    system_->StartPeer(peer_flags);
    system_->StartIngest(ingest_flags);
  }
  ServiceProcess& ingest() { return system_->ingest(); }
  FaultServer& peer() { return system_->peer(); }
  double Metric(const std::string& name, const MetricsText::Labels& labels = {}) {
    return ingest().Metrics().Sum(name, labels);
  }
  static json FaultCalled(const std::string& id) {
    return {{"faultId", id}, {"resource", {{"name", id}, {"uid", id}}}};
  }
  std::size_t Received(const std::string& id) {
    return ingest().log().With("Event received", {{"event_id", id}}).size();
  }
  void ExpectReceivedOnce(const std::string& id) {
    EXPECT_TRUE(Eventually([&] { return Received(id) == 1; })) << id;
  }
  // Sends a fault once a session is subscribed and expects it to arrive.
  void ExpectFaultsArrive(const std::string& id = "fault") {
    ASSERT_TRUE(Eventually([&] { return peer().Subscribed() == 1; }));
    ASSERT_EQ(peer().Push(FaultCalled(id)), 1);
    ExpectReceivedOnce(id);
  }
  // The first failure of a connection.
  json FirstFailure() {
    EXPECT_TRUE(Eventually([&] { return ingest().log().Has("SSE connection failed, retrying"); }));
    return ingest().log().With("SSE connection failed, retrying").front();
  }
  v1::ClusterConnection Connection() { return system_->Admin().Clusters().front(); }
  // The number of calls of the tool, from request number `from` on.
  std::size_t Calls(const std::string& tool, std::size_t from = 0) {
    std::size_t calls = 0;
    const json requests = peer().State().at("requests");
    for (std::size_t i = from; i < requests.size(); ++i) {
      for (const json& call : requests[i].at("tools")) calls += call.at("name") == tool ? 1 : 0;
    }
    return calls;
  }
};

// --- versions, modes, transports ------------------------------------------------------------

class VersionTest : public IntakeTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(VersionTest, IsSupported) {
  Start({"--protocol-version", GetParam()});
  ExpectFaultsArrive();
  EXPECT_EQ(Connection().protocol_version(), GetParam());
  EXPECT_EQ(Connection().mode(), "faults");
}

INSTANTIATE_TEST_SUITE_P(All, VersionTest,
                         ::testing::Values("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"),
                         [](const auto& test) {
                           std::string name = "v" + test.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST_F(IntakeTest, AnUnknownVersionIsAProtocolError) {
  Start({"--protocol-version", "2031-01-01"});
  EXPECT_EQ(FirstFailure().at("reason"), "protocol");
}

TEST_F(IntakeTest, ModeEventsReceivesEvents) {
  Start({}, {"--mcp-mode", "events", "--severity-threshold", "info"});
  ASSERT_TRUE(Eventually([&] { return peer().Subscribed() == 1; }));
  ASSERT_EQ(peer().Control("event", {{"type", "Normal"}, {"reason", "Pulled"}}).at("sent"), 1);
  ASSERT_EQ(peer().Control("event", {{"type", "Warning"}, {"reason", "FailedMount"}}).at("sent"),
            1);
  EXPECT_TRUE(Eventually([&] {
    return ingest().log().Has("Event received", {{"fault_type", "Pulled"}, {"severity", "info"}}) &&
           ingest().log().Has("Event received",
                              {{"fault_type", "FailedMount"}, {"severity", "warning"}});
  }));
  EXPECT_EQ(Connection().mode(), "events");
}

TEST_F(IntakeTest, AutoFindsTheToolOnTheLastPageOfTheList) {
  Start({"--page-size", "1"});
  ExpectFaultsArrive();
  EXPECT_EQ(Connection().mode(), "faults");
}

TEST_F(IntakeTest, AutoPollsAServerWithoutSubscriptions) {
  Start({"--no-tool", "events_subscribe"}, {"--poll-interval", "300ms"});
  system_->AwaitSubscribed();
  EXPECT_EQ(Connection().mode(), "poll");
  peer().Control("list-event", {{"name", "cart-0"}, {"reason", "BackOff"}});
  EXPECT_TRUE(Eventually([&] { return Metric("events_received_total") == 1; }));
}

// As v0.0.18 to v0.0.52 of kubernetes-mcp-server.
TEST_F(IntakeTest, AListAfterAPlainSentenceIsParsed) {
  Start({"--no-tool", "events_subscribe", "--plain-list"}, {"--poll-interval", "300ms"});
  system_->AwaitSubscribed();
  peer().Control("list-event", {{"name", "cart-0"}, {"reason", "BackOff"}});
  EXPECT_TRUE(Eventually([&] {
    return ingest().log().Has("Event received",
                              {{"fault_type", "CrashLoop"}, {"severity", "critical"}});
  }));
}

TEST_F(IntakeTest, ToolsRenamedByAGatewayAreFound) {
  Start({"--tool-prefix", "k8s_"}, {"--sse-ping-interval", "200ms"});
  ExpectFaultsArrive();
  EXPECT_EQ(Connection().mode(), "faults");
  EXPECT_TRUE(Eventually([&] { return Calls("k8s_events_list_subscriptions") >= 2; }));
}

TEST_F(IntakeTest, ToolsRenamedByAGatewayAreFoundInEachMode) {
  for (const char* mode : {"faults", "events", "poll"}) {
    system_->StartPeer({"--tool-prefix", "k8s_"});
    system_->StartIngest({"--mcp-mode", mode, "--poll-interval", "300ms"});
    system_->AwaitSubscribed();
    EXPECT_EQ(Connection().mode(), mode);
    ASSERT_EQ(system_->Stop(), "");
    system_ = std::make_unique<System>();
  }
}

// After some time without the Kubernetes API the server ends its watch, but still lists the
// subscription.
TEST_F(IntakeTest, ADegradedSubscriptionIsRenewedAndBackfilled) {
  for (const bool notified : {true, false}) {
    Start({}, {"--sse-ping-interval", "300ms"});
    ASSERT_TRUE(Eventually([&] { return peer().Subscribed() == 1; }));
    peer().Control("degrade", {{"notify", notified}});
    peer().Control("list-event", {{"name", "inside"}, {"reason", "BackOff"}});
    EXPECT_TRUE(Eventually([&] { return Metric("events_backfilled_total") == 1; })) << notified;
    EXPECT_EQ(Calls("events_unsubscribe"), 1u);
    ASSERT_TRUE(Eventually([&] { return peer().Push(FaultCalled("after")) == 1; }));
    ExpectReceivedOnce("after");
    EXPECT_EQ(Metric("sse_connection_errors_total"), 0);
    ASSERT_EQ(system_->Stop(), "");
    system_ = std::make_unique<System>();
  }
}

// One Node that each source reports with another uid: none, its name, or its own.
class OneObjectTest : public IntakeTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(OneObjectTest, IsOneIncidentWithAnyUid) {
  Start({}, {"--mcp-mode", GetParam(), "--poll-interval", "300ms"});
  system_->AwaitSubscribed();
  std::size_t sent = 0;
  for (const char* uid : {"node-1", "0b0c6b4e-1111-4222-8333-444455556666", ""}) {
    const json node = {{"kind", "Node"}, {"name", "node-1"}, {"namespace", ""}, {"uid", uid}};
    if (GetParam() == "faults") {
      ASSERT_EQ(peer().Push({{"resource", node}}), 1);
    } else if (GetParam() == "events") {
      ASSERT_EQ(peer().Control("event", {{"involvedObject", node}}).at("sent"), 1);
    } else {
      peer().Control("list-event", {{"kind", "Node"},
                                    {"name", "node-1"},
                                    {"namespace", ""},
                                    {"message", "not ready " + std::to_string(sent)}});
    }
    ++sent;
    ASSERT_TRUE(Eventually([&] { return Metric("events_received_total") == sent; })) << uid;
  }
  v1::SubmitEventRequest event = System::Event("node-1");
  event.mutable_resource()->set_kind("Node");
  event.mutable_resource()->clear_namespace_();
  for (const char* uid : {"", "6f0c5f7e-0000-4000-8000-000000000001"}) {
    event.mutable_resource()->set_uid(uid);
    v1::SubmitEventResponse response;
    ASSERT_TRUE(system_->Admin().Submit(event, &response).ok());
    EXPECT_EQ(response.reason(), "duplicate") << uid;
  }
  EXPECT_EQ(Metric("events_queued_total"), 1);
}

INSTANTIATE_TEST_SUITE_P(Mode, OneObjectTest, ::testing::Values("faults", "events", "poll"),
                         [](const auto& test) { return test.param; });

TEST_F(IntakeTest, ALegacyServerIsDetected) {
  system_->StartPeer({"--legacy-sse"});
  system_->StartIngest({"--mcp-endpoint", peer().sse_endpoint()});
  system_->AwaitSubscribed();
  EXPECT_EQ(Connection().transport(), "sse");
  ASSERT_EQ(peer().Push(FaultCalled("old")), 1);
  ExpectReceivedOnce("old");
}

TEST_F(IntakeTest, RequestsOfTheServerReceiveResponses) {
  Start({});
  system_->AwaitSubscribed();
  EXPECT_EQ(peer().Control("ping").at("answers")[0].at("result"), json::object());
  const json response =
      peer().Control("ask", {{"method", "roots/list"}, {"params", json::object()}});
  EXPECT_EQ(response.at("answers")[0].at("error").at("code"), -32601);
}

TEST_F(IntakeTest, ListClustersReportsTheWholeConnection) {
  Start({});
  system_->AwaitSubscribed();
  v1::ClusterConnection connection = Connection();
  EXPECT_EQ(connection.name(), System::kCluster);
  EXPECT_EQ(connection.endpoint(), peer().endpoint());
  EXPECT_EQ(connection.state(), "subscribed");
  EXPECT_EQ(connection.transport(), "streamable-http");
  EXPECT_EQ(connection.protocol_version(), "2025-11-25");
  EXPECT_EQ(connection.session_id(), peer().State().at("sessions")[0].at("id").get<std::string>());
  EXPECT_FALSE(connection.has_last_event_at());
  EXPECT_EQ(connection.last_error(), "");
  ExpectFaultsArrive();
  EXPECT_TRUE(Connection().has_last_event_at());
  peer().Kill();
  ASSERT_TRUE(Eventually([&] { return Connection().attempt() >= 2; }));
  connection = Connection();
  EXPECT_THAT(connection.last_error(), HasSubstr("network: "));
  EXPECT_THAT(connection.state(), ::testing::AnyOf("retrying", "connecting"));
  EXPECT_EQ(connection.has_next_retry_in(), connection.state() == "retrying");
}

// --- rejections -----------------------------------------------------------------------------

class NoStreamTest : public IntakeTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(NoStreamTest, IsReportedInModeFaults) {
  Start({"--no-stream", GetParam()}, {"--mcp-mode", "faults"});
  const json failure = FirstFailure();
  EXPECT_EQ(failure.at("reason"), "protocol");
  EXPECT_THAT(failure.at("error").get<std::string>(), HasSubstr("offers no event stream"));
  EXPECT_EQ(failure.at("retry_in"), 0.5) << "the longest delay";
  EXPECT_EQ(ingest().Health("/readyz").status, 503);
}

TEST_P(NoStreamTest, IsPolledInModeAuto) {
  Start({"--no-stream", GetParam()}, {"--poll-interval", "300ms"});
  system_->AwaitSubscribed();
  EXPECT_EQ(Connection().mode(), "poll");
}

INSTANTIATE_TEST_SUITE_P(Status, NoStreamTest, ::testing::Values("405", "404", "400"),
                         [](const auto& test) { return "s" + test.param; });

TEST_F(IntakeTest, ASessionWithAnOccupiedStreamIsReplaced) {
  Start({"--hold-stream", "1"});
  ExpectFaultsArrive();
  EXPECT_EQ(FirstFailure().at("reason"), "protocol");
  EXPECT_EQ(peer().State().at("sessions").size(), 1u) << "the first was deleted";
}

class SessionLossTest : public IntakeTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(SessionLossTest, ALostSessionIsReplaced) {
  Start({"--session-loss", GetParam()}, {"--sse-ping-interval", "300ms"});
  ExpectFaultsArrive("before");
  ASSERT_EQ(peer().Control("reset").at("forgotten"), 1);
  ExpectFaultsArrive("after");
}

INSTANTIATE_TEST_SUITE_P(Status, SessionLossTest, ::testing::Values("404", "400", "401", "503"),
                         [](const auto& test) { return "s" + test.param; });

TEST_F(IntakeTest, AServerThatCannotReplayIsRetriedWithoutTheId) {
  Start({"--event-store", "--reject-last-event-id"});
  ExpectFaultsArrive("before");
  ASSERT_EQ(peer().Control("close-streams").at("closed"), 1);
  ExpectFaultsArrive("after");
}

TEST_F(IntakeTest, AReplacedTokenFileIsRead) {
  const std::filesystem::path file = system_->directory() / "token";
  WriteFile(file, "first\n");
  Start({"--token", "first"}, {"--mcp-token-file", file, "--sse-ping-interval", "300ms"});
  ExpectFaultsArrive("before");
  peer().Control("token", {{"token", "second"}});
  WriteFile(file, "second\n");
  const std::size_t calls = Calls("events_list_subscriptions");
  ASSERT_TRUE(Eventually([&] { return Calls("events_list_subscriptions") >= calls + 3; }));
  EXPECT_FALSE(ingest().log().Has("SSE connection failed, retrying"));
  ExpectFaultsArrive("after");
}

TEST_F(IntakeTest, AWrongTokenIsAnAuthErrorWithASlowRetry) {
  const std::filesystem::path file = system_->directory() / "token";
  WriteFile(file, "wrong-s3cret");
  Start({"--token", "right"}, {"--mcp-token-file", file});
  const json failure = FirstFailure();
  EXPECT_EQ(failure.at("reason"), "auth");
  EXPECT_EQ(failure.at("retry_in"), 0.5);
  EXPECT_EQ(ingest().Health("/readyz").status, 503);
  EXPECT_THAT(ingest().log().Tail(1000), ::testing::Not(HasSubstr("s3cret")));
  WriteFile(file, "right");
  ExpectFaultsArrive();
}

// --- subscriptions and gaps -----------------------------------------------------------------

TEST_F(IntakeTest, ASilentlyDroppedSubscriptionIsRenewedWithinTwoChecks) {
  Start({}, {"--sse-ping-interval", "300ms"});
  system_->AwaitSubscribed();
  const std::size_t before = peer().State().at("requests").size();
  ASSERT_EQ(peer().Control("drop-subscriptions").at("dropped"), 1);
  ExpectFaultsArrive();
  // One check finds it missing; one finds that the new stream has none.
  const json requests = peer().State().at("requests");
  std::size_t checks = 0;
  for (std::size_t i = before; i < requests.size(); ++i) {
    const json& tools = requests[i].at("tools");
    if (!tools.empty() && tools[0].at("name") == "events_subscribe") break;
    checks += !tools.empty() && tools[0].at("name") == "events_list_subscriptions" ? 1 : 0;
  }
  EXPECT_LE(checks, 3u) << "one may have been in progress before";
  EXPECT_EQ(Metric("sse_connection_errors_total", {{"reason", "subscription"}}), 1);
}

TEST_F(IntakeTest, ABrokenStreamLosesAndRepeatsNothingIfTheServerReplays) {
  Start({"--event-store"});
  ExpectFaultsArrive("before");
  ASSERT_EQ(peer().Control("close-streams").at("closed"), 1);
  ASSERT_EQ(peer().Push(FaultCalled("inside")), 1);
  ExpectReceivedOnce("inside");
  ExpectFaultsArrive("after");
  EXPECT_EQ(Received("before"), 1u);
  EXPECT_EQ(Received("inside"), 1u);
  EXPECT_EQ(Metric("events_received_total"), 3);
  EXPECT_EQ(Metric("events_backfilled_total"), 0);
}

TEST_F(IntakeTest, AGapIsBackfilledOnceAndCounted) {
  Start({}, {"--sse-reconnect-initial-delay", "0.4"});
  ExpectFaultsArrive("before");
  peer().Control("list-event", {{"name", "long-ago"}, {"timestamp", "2025-01-01T00:00:00Z"}});
  ASSERT_EQ(peer().Control("close-streams").at("closed"), 1);
  peer().Control("list-event", {{"name", "inside"}, {"reason", "BackOff"}});
  ASSERT_TRUE(Eventually([&] { return Metric("events_backfilled_total") == 1; }));
  EXPECT_TRUE(ingest().log().Has("Event received", {{"fault_type", "CrashLoop"},
                                                    {"resource", "Pod/default/inside"}}) ||
              ingest().log().Has("Event received", {{"resource", "Pod/shop/inside"}}));

  const std::size_t lists = Calls("events_list");
  ASSERT_EQ(peer().Control("close-streams").at("closed"), 1);
  ASSERT_TRUE(Eventually([&] { return Calls("events_list") == lists + 1; }));
  ExpectFaultsArrive("after");
  EXPECT_EQ(Metric("events_backfilled_total"), 1);
  EXPECT_EQ(Metric("events_received_total"), 3);
  EXPECT_GT(Metric("sse_gap_seconds_total"), 0);
}

TEST_F(IntakeTest, BackfillCanBeDisabled) {
  Start({}, {"--backfill=false"});
  system_->AwaitSubscribed();
  ASSERT_EQ(peer().Control("close-streams").at("closed"), 1);
  peer().Control("list-event", {{"name", "inside"}});
  ExpectFaultsArrive();
  EXPECT_EQ(Calls("events_list"), 0u);
}

TEST_F(IntakeTest, FaultsDroppedByAProxyAreBackfilledAfterTheStreamIsRenewed) {
  Start({}, {"--sse-max-stream-age", "2", "--sse-ping-interval", "300ms"});
  ExpectFaultsArrive("before");
  ASSERT_EQ(peer().Control("swallow", {{"on", true}}).at("swallowed"), 1);
  ASSERT_EQ(peer().Push(FaultCalled("swallowed")), 1) << "the server considers it delivered";
  peer().Control("list-event", {{"name", "victim"}, {"reason", "BackOff"}});
  peer().Control("swallow", {{"on", false}});
  ASSERT_TRUE(Eventually([&] { return Metric("events_backfilled_total") == 1; }));
  EXPECT_EQ(Received("swallowed"), 0u);
  ExpectFaultsArrive("after");
  EXPECT_FALSE(ingest().log().Has("SSE connection failed, retrying"));
}

TEST_F(IntakeTest, AProxyThatDropsTheKeepalivesCausesAnIdleTimeout) {
  Start({"--keep-alive", "100"},
        {"--sse-idle-timeout", "1", "--sse-max-stream-age", "0", "--sse-ping-interval", "500ms"});
  system_->AwaitSubscribed();
  // After half a second there were enough comments to expect more.
  ASSERT_TRUE(Eventually([&] { return Calls("events_list_subscriptions") >= 1; }));
  peer().Control("swallow", {{"on", true}});
  const json failure = FirstFailure();
  EXPECT_EQ(failure.at("reason"), "timeout");
  peer().Control("swallow", {{"on", false}});
  ExpectFaultsArrive("after");
}

}  // namespace
}  // namespace runner
