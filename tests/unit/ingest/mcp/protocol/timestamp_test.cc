#include <chrono>

#include <gtest/gtest.h>

#include "ingest/mcp/protocol/fault_decoder.h"

namespace runner::ingest {
namespace {

using namespace std::chrono_literals;

WallTime At(int year, unsigned month, unsigned day, std::chrono::nanoseconds time) {
  return WallTime(std::chrono::sys_days(std::chrono::year(year) / month / day)) +
         std::chrono::duration_cast<WallTime::duration>(time);
}

TEST(Timestamp, Rfc3339IsParsed) {
  EXPECT_EQ(ParseTimestamp("2025-12-18T10:00:04Z"), At(2025, 12, 18, 10h + 4s));
  EXPECT_EQ(ParseTimestamp("2025-12-18t10:00:04z"), At(2025, 12, 18, 10h + 4s));
  EXPECT_EQ(ParseTimestamp("2025-12-18 10:00:04Z"), At(2025, 12, 18, 10h + 4s));
  EXPECT_EQ(ParseTimestamp("1970-01-01T00:00:00Z"), WallTime());
}

TEST(Timestamp, OffsetsAreApplied) {
  EXPECT_EQ(ParseTimestamp("2025-12-18T10:02:00+02:00"), At(2025, 12, 18, 8h + 2min));
  EXPECT_EQ(ParseTimestamp("2025-12-18T23:30:00-05:30"), At(2025, 12, 19, 5h));
  EXPECT_EQ(ParseTimestamp("2025-12-18T10:00:00-00:00"), At(2025, 12, 18, 10h));
}

TEST(Timestamp, FractionsOfAnyLengthAreParsed) {
  EXPECT_EQ(ParseTimestamp("2025-12-18T10:00:00.5Z"), At(2025, 12, 18, 10h + 500ms));
  EXPECT_EQ(ParseTimestamp("2025-12-18T10:00:00.123456789Z"), At(2025, 12, 18, 10h + 123456789ns));
  EXPECT_EQ(ParseTimestamp("2025-12-18T10:00:00.1234567899999999999999Z"),
            At(2025, 12, 18, 10h + 123456789ns));
  EXPECT_EQ(ParseTimestamp("2025-12-18T10:00:00.25+01:00"), At(2025, 12, 18, 9h + 250ms));
}

TEST(Timestamp, LeapSecondAndLeapDayAreParsed) {
  EXPECT_EQ(ParseTimestamp("2016-12-31T23:59:60Z"), At(2017, 1, 1, 0h));
  EXPECT_EQ(ParseTimestamp("2024-02-29T00:00:00Z"), At(2024, 2, 29, 0h));
  EXPECT_EQ(ParseTimestamp("2025-02-29T00:00:00Z"), std::nullopt);
}

TEST(Timestamp, GarbageIsRejected) {
  for (const char* text : {"",
                           "not a time",
                           "2025",
                           "2025-12-18",
                           "2025-12-18T10:00:00",
                           "2025-12-18T10:00Z",
                           "2025-12-18T10:00:00.Z",
                           "2025-12-18T10:00:00z ",
                           " 2025-12-18T10:00:00Z",
                           "2025-13-01T00:00:00Z",
                           "2025-00-01T00:00:00Z",
                           "2025-12-32T00:00:00Z",
                           "2025-12-00T00:00:00Z",
                           "2025-12-18T24:00:00Z",
                           "2025-12-18T10:60:00Z",
                           "2025-12-18T10:00:61Z",
                           "2025-12-18T10:00:00+2:00",
                           "2025-12-18T10:00:00+0200",
                           "2025-12-18T10:00:00+24:00",
                           "2025-12-18T10:00:00+02:60",
                           "2025-12-18T10:00:00X",
                           "2025/12/18T10:00:00Z",
                           "2025-1a-18T10:00:00Z",
                           "2025-12-18T-1:00:00Z",
                           "9999-12-31T23:59:59Z",
                           "0000-01-01T00:00:00Z",
                           "1766052000"}) {
    EXPECT_EQ(ParseTimestamp(text), std::nullopt) << text;
  }
}

TEST(Timestamp, SignInPlaceOfADigitIsRejected) {
  EXPECT_EQ(ParseTimestamp("2025-12-18T-0:00:00Z"), std::nullopt);
  EXPECT_EQ(ParseTimestamp("2025-12-18T10:00:00+-0:00"), std::nullopt);
}

}  // namespace
}  // namespace runner::ingest
