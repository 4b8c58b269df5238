#include "common/observability/health.h"

#include <gtest/gtest.h>

#include "tests/support/fake_clock.h"

namespace runner {
namespace {

using std::chrono::seconds;

HealthCheck Fixed(std::string name, std::optional<std::string> failure) {
  return {std::move(name), [failure] { return failure; }};
}

TEST(HealthTest, IsOkWhenAllChecksPass) {
  const auto response = HealthHandler({Fixed("mcp", {}), Fixed("breaker", {})})({"/readyz", ""});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "ok\n");
}

TEST(HealthTest, ReportsEachReasonOnALine) {
  const auto handler =
      HealthHandler({Fixed("mcp", "no active SSE connections"), Fixed("journal", {}),
                     Fixed("breaker", "circuit breaker is open")});
  const auto response = handler({"/readyz", ""});
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, "no active SSE connections\ncircuit breaker is open\n");
}

TEST(HealthTest, VerboseListsEveryCheck) {
  const auto handler =
      HealthHandler({Fixed("mcp", {}), Fixed("breaker", "circuit breaker is open")});
  const auto response = handler({"/readyz", "verbose"});
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, "[+]mcp ok\n[-]breaker: circuit breaker is open\n");
}

TEST(HealthTest, ShuttingDownIsAReason) {
  bool down = false;
  const auto handler = HealthHandler({ShutdownCheck([&] { return down; })});
  EXPECT_EQ(handler({"/healthz", ""}).status, 200);
  down = true;
  EXPECT_EQ(handler({"/healthz", ""}).status, 503);
  EXPECT_EQ(handler({"/healthz", ""}).body, "Shutting down\n");
}

class LoopProbeTest : public testing::Test {
 protected:
  void RunLoopOnce() {
    event_loop_.Post([this] { event_loop_.Stop(); });
    event_loop_.Run();
  }

  FakeClock clock_;
  EventLoop event_loop_{clock_};
  LoopProbe probe_{event_loop_, clock_};
};

TEST_F(LoopProbeTest, IsStuckOnceAPingIsUnansweredForTheLimit) {
  EXPECT_FALSE(probe_.Stuck());
  clock_.Advance(seconds(9));
  EXPECT_FALSE(probe_.Stuck());
  clock_.Advance(seconds(1));
  EXPECT_TRUE(probe_.Stuck());
}

TEST_F(LoopProbeTest, RecoversWhenTheLoopAnswers) {
  EXPECT_FALSE(probe_.Stuck());
  clock_.Advance(seconds(60));
  EXPECT_TRUE(probe_.Stuck());
  RunLoopOnce();
  EXPECT_FALSE(probe_.Stuck());
}

TEST_F(LoopProbeTest, ALongTimeWithoutACheckIsNotStuck) {
  EXPECT_FALSE(probe_.Stuck());
  RunLoopOnce();
  clock_.Advance(seconds(3600));
  EXPECT_FALSE(probe_.Stuck());
}

TEST_F(LoopProbeTest, CheckNamesTheLoop) {
  const auto handler = HealthHandler({LoopCheck("scheduler", probe_)});
  EXPECT_EQ(handler({"/healthz", ""}).status, 200);
  clock_.Advance(seconds(10));
  const auto response = handler({"/healthz", ""});
  EXPECT_EQ(response.status, 503);
  EXPECT_NE(response.body.find("scheduler"), std::string::npos);
}

}  // namespace
}  // namespace runner
