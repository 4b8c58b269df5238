#include "common/base/descriptor_limit.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace runner {
namespace {

TEST(DescriptorLimit, IsRaisedToTheHardLimit) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low{64, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_EQ(DescriptorLimit(), 64u);
  EXPECT_EQ(RaiseDescriptorLimit(), before.rlim_max);
  rlimit after{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
  EXPECT_EQ(after.rlim_max, before.rlim_max);
  EXPECT_EQ(RaiseDescriptorLimit(), before.rlim_max) << "raising it twice changes nothing";
  ::setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace runner
