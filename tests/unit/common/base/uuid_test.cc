#include "common/base/uuid.h"

#include <gtest/gtest.h>

namespace runner {
namespace {

const WallTime kTime{std::chrono::milliseconds(0x017F22E279B0)};  // RFC 9562, appendix A.6

TEST(UuidTest, HasTheLayoutOfVersion7) {
  UuidGenerator generator([] { return ~std::uint64_t{0}; });
  EXPECT_EQ(generator.Next(kTime), "017f22e2-79b0-77ff-bfff-ffffffffffff");
}

TEST(UuidTest, ClearsTheVariantBitsOfZeroes) {
  UuidGenerator generator([] { return std::uint64_t{0}; });
  EXPECT_EQ(generator.Next(kTime), "017f22e2-79b0-7000-8000-000000000000");
}

TEST(UuidTest, IncreasesWithinOneMillisecondEvenIfTheCounterOverflows) {
  UuidGenerator generator;
  std::string last = generator.Next(kTime);
  for (int i = 0; i < 10'000; ++i) {
    const std::string next = generator.Next(kTime);
    ASSERT_LT(last, next);
    ASSERT_TRUE(IsUuid(next)) << next;
    last = next;
  }
}

TEST(UuidTest, IncreasesIfTheClockIsSetBack) {
  UuidGenerator generator;
  const std::string before = generator.Next(kTime);
  EXPECT_LT(before, generator.Next(kTime - std::chrono::hours(1)));
}

TEST(UuidTest, RecognisesTheForm) {
  EXPECT_TRUE(IsUuid("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"));
  EXPECT_FALSE(IsUuid("017f22e279b07cc398c4dc0c0c07398f"));
  EXPECT_FALSE(IsUuid("017f22e2-79b0-7cc3-98c4-dc0c0c07398g"));
  EXPECT_FALSE(IsUuid("../../../../../../../../etc/passwd.."));
  EXPECT_FALSE(IsUuid(""));
}

}  // namespace
}  // namespace runner
