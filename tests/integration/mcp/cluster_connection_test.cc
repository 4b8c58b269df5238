// The connection to an MCP server, over loopback sockets.

#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/mcp/connection_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

TEST_F(ConnectionTest, ConnectionSubscribesAndReceivesFaults) {
  StartServer();
  Connect();
  RunUntil([&] { return !sessions_.empty(); });
  EXPECT_EQ(server_->Publish(), 1u);
  EXPECT_EQ(server_->Publish(), 1u);
  RunUntil([&] { return names_.size() == 2; });
  EXPECT_THAT(names_, ElementsAre("pod-1", "pod-2"));
  EXPECT_TRUE(failures_.empty());
}

TEST_F(ConnectionTest, RefusedConnectionIsRetriedWithGrowingDelays) {
  StartServer();
  server_.reset();
  Connect();
  RunUntil([&] { return failures_.size() == 5; });
  EXPECT_THAT(attempts_, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(delays_, ElementsAre(milliseconds(5), milliseconds(10), milliseconds(20),
                                   milliseconds(35), milliseconds(35)))
      << "at the longest delay the spread is below it";
  for (const ConnectionFailure& failure : failures_) {
    EXPECT_EQ(failure.error, ErrorClass::kNetwork) << failure.detail;
  }
}

TEST_F(ConnectionTest, RestartedServerIsSubscribedAgain) {
  StartServer();
  const std::string address = server_->address();
  Connect();
  RunUntil([&] { return !sessions_.empty(); });
  server_.reset();
  RunUntil([&] { return failures_.size() >= 2; });
  StartServer(address);
  RunUntil([&] { return sessions_.size() == 2; });
  EXPECT_NE(sessions_[0], sessions_[1]);
  EXPECT_EQ(attempts_.front(), 1);
  EXPECT_EQ(server_->Publish(), 1u);
  RunUntil([&] { return names_.size() == 1; });
}

TEST_F(ConnectionTest, StreamThatTheServerEndsIsReopenedInTheSameSession) {
  StartServer();
  Connect();
  RunUntil([&] { return !sessions_.empty(); });
  server_->EndStreams();
  RunUntil([&] { return sessions_.size() == 2; });
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_EQ(failures_[0].error, ErrorClass::kStreamClosed);
  EXPECT_EQ(sessions_[0], sessions_[1]);
  EXPECT_EQ(server_->Requests("DELETE"), 0);
  EXPECT_EQ(server_->Publish(), 1u);
  RunUntil([&] { return names_.size() == 1; });
}

TEST_F(ConnectionTest, RefusalsAreClassified) {
  StartServer();
  server_->RefuseWith(503);
  Connect();
  RunUntil([&] { return !failures_.empty(); });
  EXPECT_EQ(failures_.back().error, ErrorClass::kServer);
  server_->RefuseWith(401);
  RunUntil([&] { return failures_.back().error == ErrorClass::kAuth; });
  EXPECT_EQ(delays_.back(), milliseconds(40)) << "the longest delay";
  server_->RefuseWith(0);
  RunUntil([&] { return !sessions_.empty(); });
}

TEST_F(ConnectionTest, ServerThatNeverAnswersTimesOut) {
  const UniqueFd listener = faultsim::ListenOn("127.0.0.1:0");
  endpoint_ = "http://" + faultsim::BoundAddress(listener.Get()) + "/mcp";
  ConnectionOptions options = QuickOptions();
  options.request_timeout = milliseconds(50);
  Connect(options);
  RunUntil([&] { return failures_.size() == 2; });
  EXPECT_EQ(failures_[0].error, ErrorClass::kTimeout);
  EXPECT_EQ(failures_[1].error, ErrorClass::kTimeout);
}

TEST_F(ConnectionTest, CloseDeletesTheSession) {
  StartServer();
  Connect();
  RunUntil([&] { return !sessions_.empty(); });
  bool done = false;
  connection_->Close([&] {
    done = true;
    Changed();
  });
  RunUntil([&] { return done; });
  EXPECT_EQ(closed_, 1);
  EXPECT_EQ(server_->Requests("DELETE"), 1);
  EXPECT_EQ(server_->Publish(), 0u) << "nobody listens any more";
  EXPECT_TRUE(failures_.empty());
}

TEST_F(ConnectionTest, CloseEndsADelayAtOnce) {
  StartServer();
  server_.reset();
  Connect();
  RunUntil([&] { return !failures_.empty(); });
  bool done = false;
  connection_->Close([&] { done = true; });
  EXPECT_TRUE(done);
  EXPECT_EQ(closed_, 0) << "it was never subscribed";
  const std::size_t failures = failures_.size();
  bool later = false;
  event_loop_.After(milliseconds(100), [&] {  // several retries would fit
    later = true;
    Changed();
  });
  RunUntil([&] { return later; });
  EXPECT_EQ(failures_.size(), failures);
}

TEST_F(ConnectionTest, CloseWhileConnectingIsQuiet) {
  StartServer();
  Connect();
  bool done = false;
  connection_->Close([&] { done = true; });
  RunUntil([&] { return done; });
  EXPECT_TRUE(failures_.empty());
  EXPECT_TRUE(sessions_.empty());
}

TEST_F(ConnectionTest, NothingIsReadWhilePausedAndNothingIsLost) {
  StartServer();
  Connect();
  RunUntil([&] { return !sessions_.empty(); });
  paused_ = true;
  constexpr std::size_t kFaults = 200;
  for (std::size_t i = 0; i < kFaults; ++i) server_->Publish();
  std::size_t while_paused = 0;
  event_loop_.After(milliseconds(50), [&] {
    while_paused = names_.size();
    paused_ = false;
    http_.Resume();
  });
  RunUntil([&] { return names_.size() == kFaults; });
  EXPECT_EQ(while_paused, 0u);
  EXPECT_EQ(names_.back(), "pod-200");
}

}  // namespace
}  // namespace runner::ingest
