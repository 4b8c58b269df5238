#include "common/loop/signals.h"

#include <vector>

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

namespace runner {
namespace {

TEST(SignalsTest, BlockedSignalsReachTheHandlerOnTheLoop) {
  BlockSignals();
  const SystemClock clock;
  EventLoop event_loop(clock);
  std::vector<int> received;
  const SignalFd signals(event_loop, [&](int signal, pid_t sender) {
    EXPECT_EQ(sender, ::getpid());
    received.push_back(signal);
    if (signal == SIGTERM) event_loop.Stop();
  });
  ::kill(::getpid(), SIGINT);
  event_loop.After({}, [] { ::kill(::getpid(), SIGTERM); });
  event_loop.Run();
  EXPECT_EQ(received, (std::vector{SIGINT, SIGTERM}));
}

TEST(SignalsTest, OtherSignalsAreDeliveredOnRequest) {
  BlockSignals({SIGHUP});
  const SystemClock clock;
  EventLoop event_loop(clock);
  std::vector<int> received;
  const SignalFd signals(event_loop,
                         [&](int signal, pid_t) {
                           received.push_back(signal);
                           if (signal == SIGTERM) event_loop.Stop();
                         },
                         {SIGHUP});
  ::kill(::getpid(), SIGHUP);
  event_loop.After({}, [] { ::kill(::getpid(), SIGTERM); });
  event_loop.Run();
  EXPECT_EQ(received, (std::vector{SIGHUP, SIGTERM}));
}

TEST(SignalsTest, WritingToAClosedPipeDoesNotKill) {
  BlockSignals();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  EXPECT_EQ(::write(ends[1], "x", 1), -1);
  ::close(ends[1]);
}

}  // namespace
}  // namespace runner
