#include "executor/shim/options.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace runner::executor {
namespace {

std::optional<ShimOptions> Parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "runner-shim");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  return ParseShimOptions(static_cast<int>(arguments.size()), argv.data());
}

TEST(ShimOptions, NumbersAreParsed) {
  const auto options = Parse({"--workspace", "/w", "--spool", "/s", "--timeout-ms", "1500",
                              "--grace-ms", "0", "--max-output", "10", "--attempt", "3",
                              "--lease-deadline-ns", "9000000000000000000", "--", "/bin/true"});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->timeout_ms, 1500);
  EXPECT_EQ(options->grace_ms, 0);
  EXPECT_EQ(options->max_output, 10u);
  EXPECT_EQ(options->attempt, 3u);
  EXPECT_EQ(options->lease_deadline_ns, 9'000'000'000'000'000'000);
}

TEST(ShimOptions, InvalidCommandLinesAreRejected) {
  EXPECT_FALSE(Parse({}));
  EXPECT_FALSE(Parse({"--", "/bin/true"}));
  EXPECT_FALSE(Parse({"--workspace", "/w", "--spool", "/s"}));
  EXPECT_FALSE(Parse({"--workspace", "/w", "--spool", "/s", "--"}));
  EXPECT_FALSE(Parse({"--workspace", "/w", "--spool", "/s", "--what", "1", "--", "x"}));
  EXPECT_FALSE(Parse({"--workspace", "/w", "--spool", "/s", "--attempt", "-1", "--", "x"}));
  EXPECT_FALSE(Parse({"--workspace", "/w", "--spool", "/s", "--timeout-ms", "1s", "--", "x"}));
  EXPECT_FALSE(Parse({"--workspace", "/w", "--spool", "/s", "--incident", "a\"b", "--", "x"}));
  EXPECT_FALSE(Parse(
      {"--workspace", "/w", "--spool", "/s", "--timeout-ms", "18446744073709551615", "--", "x"}));
}

}  // namespace
}  // namespace runner::executor
