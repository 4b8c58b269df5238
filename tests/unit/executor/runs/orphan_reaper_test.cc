#include "executor/runs/orphan_reaper.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace runner::executor {
namespace {

pid_t ForkSleeper() {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(30);
    for (;;) ::pause();
  }
  return child;
}

void KillAndReap(pid_t child) {
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

TEST(OrphanReaper, ChildIsFoundAndKilled) {
  const OrphanReaper reaper;
  const pid_t child = ForkSleeper();
  EXPECT_EQ(reaper.Once({child}).found, 0u);
  const OrphanReaper::Sweep sweep = reaper.Once({});
  EXPECT_EQ(sweep.found, 1u);
  EXPECT_TRUE(sweep.complete);
  int status = 0;
  if (sweep.killed == 0) {
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WTERMSIG(status), SIGKILL);
  }
  EXPECT_EQ(reaper.Once({}).found, 0u);
}

TEST(OrphanReaper, SweepThatCannotReadTheListIsNotComplete) {
  const OrphanReaper reaper;
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{0, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const OrphanReaper::Sweep sweep = reaper.Once({});
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_FALSE(sweep.complete);
  EXPECT_TRUE(reaper.Once({}).complete);
}

TEST(OrphanReaper, ChildFromBeforeIsLeftAlone) {
  const pid_t child = ForkSleeper();
  const OrphanReaper reaper;
  EXPECT_EQ(reaper.Once({}).found, 0u);
  EXPECT_EQ(::waitpid(child, nullptr, WNOHANG), 0);
  KillAndReap(child);
}

}  // namespace
}  // namespace runner::executor
