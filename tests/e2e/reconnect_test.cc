// Every way in which the connection to the MCP server ends, and the reconnect.

#include <string>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using ::testing::HasSubstr;

class ReconnectTest : public PeerTest {
 protected:
  double Active() { return system_->ingest().Metrics().Sum("sse_connections_active"); }

  // Expects the next fault to arrive. The server sends no fault without a subscription, so the
  // first one that is sent counts.
  void ExpectNextFaultArrives() {
    const std::string fault_id = "next-" + std::to_string(++faults_);
    ASSERT_TRUE(Eventually([&] { return system_->peer().Subscribed() == 1; }));
    ASSERT_EQ(system_->peer().Push(
                  {{"faultId", fault_id}, {"resource", {{"name", fault_id}, {"uid", fault_id}}}}),
              1);
    EXPECT_TRUE(Eventually(
        [&] { return system_->ingest().log().Has("Event received", {{"event_id", fault_id}}); }));
  }
  std::string SessionId() {
    const auto sessions = system_->peer().State().at("sessions");
    return sessions.size() == 1 ? sessions[0].at("id").get<std::string>() : "expected one session";
  }

 private:
  int faults_ = 0;
};

TEST_F(ReconnectTest, IngestResubscribesToARestartedServer) {
  system_->StartPeer();
  ServiceProcess& ingest = system_->StartIngest();
  system_->AwaitSubscribed();
  EXPECT_EQ(ingest.Health("/readyz").status, 200);
  ExpectNextFaultArrives();

  system_->peer().Kill();
  ASSERT_TRUE(Eventually([&] { return Active() == 0; }));
  const HttpAnswer ready = ingest.Health("/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_THAT(ready.body, HasSubstr("no active SSE connections"));
  EXPECT_EQ(ingest.Health("/healthz").status, 200);
  ASSERT_TRUE(Eventually([&] {
    return ingest.Metrics().Sum("sse_connection_errors_total", {{"reason", "network"}}) >= 3;
  }));
  const auto attempts =
      ingest.log().With("SSE connection failed, retrying", {{"cluster", System::kCluster}});
  ASSERT_GE(attempts.size(), 3u);
  for (const auto& line : attempts) {
    EXPECT_LE(line.at("retry_in"), 0.5);
    EXPECT_GT(line.at("retry_in"), 0.0);
  }
  EXPECT_GT(attempts.back().at("attempt_number"), attempts.front().at("attempt_number"));

  system_->peer().Restart();
  ASSERT_TRUE(Eventually([&] { return Active() == 1; }));
  EXPECT_EQ(ingest.Health("/readyz").status, 200);
  EXPECT_GT(ingest.Metrics().Sum("sse_gap_seconds_total"), 0);
  const auto established = ingest.log().With("SSE connection established");
  ASSERT_EQ(established.size(), 2u);
  EXPECT_GT(established[1].at("downtime_duration"), 0);
  EXPECT_NE(established[0].at("session_id"), established[1].at("session_id"));
  ExpectNextFaultArrives();
}

TEST_F(ReconnectTest, IngestSubscribesToAServerThatStartsLater) {
  system_->StartPeer();
  system_->peer().Kill();
  ServiceProcess& ingest = system_->StartIngest();
  ASSERT_TRUE(Eventually([&] { return ingest.log().Has("SSE connection failed, retrying"); }));
  EXPECT_EQ(ingest.Health("/readyz").status, 503);
  system_->peer().Restart();
  system_->AwaitSubscribed();
  // There is no gap before the first subscription.
  EXPECT_EQ(ingest.Metrics().Sum("sse_gap_seconds_total"), 0);
  ExpectNextFaultArrives();
}

TEST_F(ReconnectTest, AClosedStreamIsReopenedInTheSameSession) {
  system_->StartPeer();
  system_->StartIngest();
  system_->AwaitSubscribed();
  const std::string session = SessionId();
  ASSERT_EQ(system_->peer().Control("close-streams").at("closed"), 1);
  ExpectNextFaultArrives();
  EXPECT_EQ(SessionId(), session);
}

TEST_F(ReconnectTest, ASilentlyLostSubscriptionIsRenewed) {
  system_->StartPeer();
  system_->StartIngest({"--sse-ping-interval", "300ms"});
  system_->AwaitSubscribed();
  const std::string session = SessionId();
  ASSERT_EQ(system_->peer().Control("drop-subscriptions").at("dropped"), 1);
  ASSERT_EQ(system_->peer().Subscribed(), 0);
  ExpectNextFaultArrives();
  EXPECT_EQ(SessionId(), session);
  ASSERT_TRUE(Eventually([&] { return Active() == 1; }));
}

TEST_F(ReconnectTest, ALostSessionIsReplaced) {
  system_->StartPeer();
  system_->StartIngest();
  system_->AwaitSubscribed();
  const std::string session = SessionId();
  ASSERT_EQ(system_->peer().Control("reset").at("forgotten"), 1);
  ExpectNextFaultArrives();
  EXPECT_NE(SessionId(), session);
  ASSERT_TRUE(Eventually([&] { return Active() == 1; }));
}

TEST_F(ReconnectTest, IngestDeletesItsSessionAtExit) {
  system_->StartPeer();
  ServiceProcess& ingest = system_->StartIngest();
  system_->AwaitSubscribed();
  ingest.Terminate();
  EXPECT_EQ(ingest.WaitForExit(kRpcTimeout), 0);
  EXPECT_TRUE(system_->peer().State().at("sessions").empty());
}

}  // namespace
}  // namespace runner
