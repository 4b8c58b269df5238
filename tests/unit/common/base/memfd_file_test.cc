#include "common/base/memfd_file.h"

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace runner {
namespace {

std::string TextOf(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(MemfdFileTest, EveryReaderStartsAtTheBeginning) {
  const MemfdFile file("one");
  EXPECT_EQ(TextOf(file.path()), "one");
  EXPECT_EQ(TextOf(file.path()), "one");
}

TEST(MemfdFileTest, ReplaceKeepsThePathAndAdvancesTheTime) {
  MemfdFile file("one");
  const std::string path = file.path();
  struct stat before{};
  struct stat after{};
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  file.Replace("another");
  ASSERT_EQ(::stat(path.c_str(), &after), 0);
  EXPECT_EQ(file.path(), path);
  EXPECT_EQ(TextOf(path), "another");
  EXPECT_GT(after.st_mtime, before.st_mtime);
  EXPECT_GT(before.st_mtime, 0) << "gRPC takes 0 for a file that is not there";
}

TEST(MemfdFileTest, AReaderAlwaysGetsACompleteText) {
  const std::string one(100'000, '1');
  const std::string two(100'000, '2');
  MemfdFile file(one);
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 500; ++i) file.Replace(i % 2 == 0 ? two : one);
    done = true;
  });
  while (!done) {
    const std::string text = TextOf(file.path());
    ASSERT_TRUE(text == one || text == two) << text.size();
  }
  writer.join();
}

}  // namespace
}  // namespace runner
