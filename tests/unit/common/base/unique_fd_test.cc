#include "common/base/unique_fd.h"

#include <cerrno>

#include <fcntl.h>
#include <gtest/gtest.h>

namespace runner {
namespace {

TEST(UniqueFdTest, ResetKeepsTheErrorOfTheCallThatFailed) {
  UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::close(fd.Get()), 0);  // makes the close(2) of Reset fail too, with EBADF
  fd.Reset(::open("/no/such/file", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(errno, ENOENT);
  EXPECT_FALSE(fd);
}

}  // namespace
}  // namespace runner
