// Out of file descriptors.

#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/integration/mcp/connection_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;

// The soft limit is what it was when this is gone.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    // The lowest number that is free is the first that is not to be had.
    const int free = ::dup(STDIN_FILENO);
    ::close(free);
    const rlimit none{static_cast<rlim_t>(free), before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoMoreDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

double CpuSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto in_seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return in_seconds(usage.ru_utime) + in_seconds(usage.ru_stime);
}

#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
#define RUNNER_CHECKS_NEED_DESCRIPTORS 1
#endif
#endif

class DescriptorsTest : public ConnectionTest {
 protected:
  void SetUp() override {
#ifdef RUNNER_CHECKS_NEED_DESCRIPTORS
    GTEST_SKIP() << "UndefinedBehaviorSanitizer looks at memory through a pipe of its own";
#endif
  }
};

TEST_F(DescriptorsTest, LackOfDescriptorsIsReportedAndRetriedAndRecovers) {
  StartServer();
  ConnectionOptions options = QuickOptions();
  options.initial_delay = milliseconds(100);
  options.max_delay = milliseconds(200);
  {
    const NoMoreDescriptors none;
    const double before = CpuSeconds();
    Connect(options);
    RunUntil([&] { return failures_.size() == 4; });
    EXPECT_LT(CpuSeconds() - before, 0.3) << "of half a second: nothing spins";
  }
  for (const ConnectionFailure& failure : failures_) {
    EXPECT_EQ(ToString(failure.error), "network");
    EXPECT_THAT(failure.detail, HasSubstr("out of file descriptors"));
  }
  RunUntil([&] { return !sessions_.empty(); });
}

TEST_F(DescriptorsTest, SubscriptionOutlivesTheLackOfDescriptors) {
  StartServer();
  ping_interval_ = milliseconds(50);
  Connect();
  RunUntil([&] { return !sessions_.empty(); });
  {
    const NoMoreDescriptors none;
    EXPECT_EQ(server_->Publish(), 1u);
    RunUntil([&] { return names_.size() == 1; });
    RunUntil([&] { return !failures_.empty(); });  // the check has no socket
  }
  EXPECT_EQ(ToString(failures_.front().error), "network");
  RunUntil([&] { return sessions_.size() == 2; });
}

TEST_F(DescriptorsTest, LookupWithoutDescriptorsIsReported) {
  endpoint_ = "http://mcp.invalid:8080/mcp";
  const NoMoreDescriptors none;
  Connect();
  RunUntil([&] { return !failures_.empty(); });
  EXPECT_EQ(ToString(failures_.front().error), "network");
  EXPECT_THAT(failures_.front().detail, HasSubstr("out of file descriptors"));
}

}  // namespace
}  // namespace runner::ingest
