#include "common/base/values.h"

#include <gtest/gtest.h>

namespace runner {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(ConfigValuesTest, PlainNumbersAreSeconds) {
  EXPECT_EQ(ParseDuration("30"), seconds(30));
  EXPECT_EQ(ParseDuration("0.5"), milliseconds(500));
  EXPECT_EQ(ParseDuration("0"), Duration::zero());
}

TEST(ConfigValuesTest, DurationsHaveUnits) {
  EXPECT_EQ(ParseDuration("1m30s"), seconds(90));
  EXPECT_EQ(ParseDuration("500ms"), milliseconds(500));
  EXPECT_EQ(ParseDuration("7d"), hours(24 * 7));
  EXPECT_EQ(ParseDuration("1.5h"), seconds(5400));
}

TEST(ConfigValuesTest, RefusesWhatIsNoDuration) {
  for (const char* text : {"", "-1", "s", "1x", "1m30", "30 s", " 30", "1e3", "inf", "nan", "0x10",
                           "99999999999999999999", "300000y", "400000d"}) {
    EXPECT_FALSE(ParseDuration(text)) << text;
  }
}

TEST(ConfigValuesTest, FormatsDurationsExactly) {
  EXPECT_EQ(FormatDuration(seconds(90)), "1m30s");
  EXPECT_EQ(FormatDuration(Duration::zero()), "0s");
  EXPECT_EQ(FormatDuration(milliseconds(1500)), "1s500ms");
  EXPECT_EQ(FormatDuration(hours(24 * 365)), "365d");
  EXPECT_EQ(FormatDuration(seconds(1)), "1s");
  EXPECT_EQ(FormatDuration(hours(24)), "1d");
}

TEST(ConfigValuesTest, BytesArePlainOrWithUnits) {
  EXPECT_EQ(ParseBytes("10485760"), 10485760u);
  EXPECT_EQ(ParseBytes("10MiB"), 10485760u);
  EXPECT_EQ(ParseBytes("5 GiB"), 5368709120u);
  EXPECT_EQ(ParseBytes("1.5kB"), 1500u);
  EXPECT_EQ(ParseBytes("18446744073709551615"), 18446744073709551615u);
}

TEST(ConfigValuesTest, RefusesWhatAreNoBytes) {
  for (const char* text :
       {"", "-1", "10Mb", "MiB", "0.5B", "1  KiB", "18446744073709551616", "99999999TiB"}) {
    EXPECT_FALSE(ParseBytes(text)) << text;
  }
}

TEST(ConfigValuesTest, IntegersAndSwitchesCountWhole) {
  EXPECT_EQ(ParseInteger("-3"), -3);
  EXPECT_FALSE(ParseInteger("3 "));
  EXPECT_FALSE(ParseInteger("9223372036854775808"));
  EXPECT_EQ(ParseBool("off"), false);
  EXPECT_FALSE(ParseBool("maybe"));
}

TEST(ConfigValuesTest, ListsAreSplitAtCommas) {
  EXPECT_EQ(SplitList(" a, b c ,,d,"), (std::vector<std::string>{"a", "b c", "d"}));
  EXPECT_TRUE(SplitList("").empty());
  EXPECT_TRUE(SplitList(" , ").empty());
}

TEST(ConfigValuesTest, NearestWordIsNear) {
  const std::vector<std::string> words = {"--metrics-port", "--health-port", "--slots"};
  EXPECT_EQ(NearestWord("--metric-port", words), "--metrics-port");
  EXPECT_EQ(NearestWord("--slot", words), "--slots");
  EXPECT_EQ(NearestWord("--max-agents", {"--max-attempts", "--max-agents-per-cluster"}),
            "--max-agents-per-cluster");
  EXPECT_EQ(NearestWord("--frobnicate", words), std::nullopt);
}

}  // namespace
}  // namespace runner
