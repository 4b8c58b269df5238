#include "common/base/heap.h"

#include <cstddef>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/process_memory.h"

namespace runner {
namespace {

constexpr std::size_t kTolerance = 10'000'000;

std::size_t Resident() { return support::ResidentMemory(::getpid()); }

// 50 MB in small blocks.
std::vector<std::vector<char>> Allocate() {
  return std::vector<std::vector<char>>(500, std::vector<char>(100'000));
}

// Each block in a thread, and therefore in an arena, as in HTTP servers.
TEST(Heap, FreedMemoryOfAThreadIsReturnedToTheKernel) {
  if (support::kSanitized) GTEST_SKIP() << "a sanitizer keeps freed memory";
  ReturnFreedMemory();
  std::thread([] {
    const std::size_t before = Resident();
    std::vector<char>(30'000'000).data()[0] = 1;
    Allocate();
    EXPECT_LT(Resident(), before + kTolerance);
  }).join();
}

TEST(Heap, AnonymousMemoryGrowsWithTheWrittenPages) {
  if (support::kSanitized) GTEST_SKIP() << "not counted under a sanitizer";
  const std::size_t before = AnonymousMemory();
  const std::vector<char> block(50'000'000, 'x');
  EXPECT_NEAR(static_cast<double>(AnonymousMemory() - before), block.size(), kTolerance);
}

TEST(Heap, TrimReturnsMemoryBelowABlockInUse) {
  if (support::kSanitized) GTEST_SKIP() << "a sanitizer keeps freed memory";
  ReturnFreedMemory();
  std::thread([] {
    const std::size_t before = Resident();
    std::vector<std::vector<char>> blocks = Allocate();
    const std::vector<char> last = std::move(blocks.back());
    blocks.clear();
    EXPECT_GT(Resident(), before + kTolerance) << "without a trim";
    TrimHeap();
    EXPECT_LT(Resident(), before + kTolerance);
  }).join();
}

}  // namespace
}  // namespace runner
