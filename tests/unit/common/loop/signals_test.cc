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
  Inbox inbox(clock);
  std::vector<int> received;
  const SignalFd signals(inbox, [&](int signal, pid_t sender) {
    EXPECT_EQ(sender, ::getpid());
    received.push_back(signal);
    if (signal == SIGTERM) inbox.Stop();
  });
  ::kill(::getpid(), SIGINT);
  inbox.After({}, [] { ::kill(::getpid(), SIGTERM); });
  inbox.Run();
  EXPECT_EQ(received, (std::vector{SIGINT, SIGTERM}));
}

TEST(SignalsTest, OthersAreDeliveredWhereTheyAreAskedFor) {
  BlockSignals({SIGHUP});
  const SystemClock clock;
  Inbox inbox(clock);
  std::vector<int> received;
  const SignalFd signals(inbox,
                         [&](int signal, pid_t) {
                           received.push_back(signal);
                           if (signal == SIGTERM) inbox.Stop();
                         },
                         {SIGHUP});
  ::kill(::getpid(), SIGHUP);
  inbox.After({}, [] { ::kill(::getpid(), SIGTERM); });
  inbox.Run();
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
