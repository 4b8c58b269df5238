#include "common/observability/logger.h"

#include <cmath>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace runner {
namespace {

const WallTime kTime{std::chrono::milliseconds(1735689600042)};  // 2025-01-01T00:00:00.042Z

nlohmann::ordered_json Json(std::string_view message, const LogFields& fields) {
  const std::string line = FormatJsonLine(kTime, LogLevel::kWarn, "main", message, fields);
  EXPECT_EQ(line.find_first_of("\n\r"), std::string::npos);
  return nlohmann::ordered_json::parse(line);
}

std::string Text(std::string_view message, const LogFields& fields) {
  return FormatTextLine(kTime, LogLevel::kInfo, "mcp", message, fields);
}

TEST(JsonLogTest, StartsWithTimeLevelMessageAndLogger) {
  EXPECT_EQ(FormatJsonLine(kTime, LogLevel::kInfo, "mcp", "Hello", {{"n", 3}, {"ok", true}}),
            R"({"time":"2025-01-01T00:00:00.042Z","level":"info","msg":"Hello","logger":"mcp",)"
            R"("n":3,"ok":true})");
}

TEST(JsonLogTest, WritesDurationsInSeconds) {
  EXPECT_EQ(Json("m", {{"d", Duration(std::chrono::milliseconds(1500))}})["d"], 1.5);
}

TEST(JsonLogTest, NoFieldReplacesTheFixedOnes) {
  const auto line = Json("real", {{"msg", "forged"}, {"level", "debug"}});
  EXPECT_EQ(line["msg"], "real");
  EXPECT_EQ(line["level"], "warn");
}

TEST(JsonLogTest, NoInputForgesALine) {
  const std::string hostile = "x\n{\"level\":\"error\"}\r\xE2\x80\xA8\xC2\x85\x1b[2J\"\\";
  const std::string line = FormatJsonLine(kTime, LogLevel::kInfo, "m", hostile, {{"f", hostile}});
  for (const char c : line) EXPECT_TRUE(c >= 0x20 && c < 0x7F);
  EXPECT_EQ(Json(hostile, {})["msg"], hostile);
}

TEST(JsonLogTest, ReplacesInvalidUtf8AndInfinity) {
  const auto line = Json("m", {{"bytes", "a\xFF"}, {"n", std::nan("")}});
  EXPECT_EQ(line["bytes"], "a\xEF\xBF\xBD");
  EXPECT_TRUE(line["n"].is_null());
}

TEST(JsonLogTest, WritesListsAsArrays) {
  EXPECT_EQ(Json("m", {{"ids", std::vector<std::string>{"a", "b"}}})["ids"].size(), 2u);
}

TEST(TextLogTest, QuotesOnlyValuesThatNeedIt) {
  EXPECT_EQ(Text("Event queued", {{"id", "abc-1"}, {"why", "two words"}, {"empty", ""}, {"n", 3}}),
            "2025-01-01T00:00:00.042Z INFO  [mcp] Event queued id=abc-1 why=\"two words\" "
            "empty=\"\" n=3");
}

TEST(TextLogTest, NoInputForgesALineOrAField) {
  EXPECT_EQ(Text("a\nb", {{"v", "x\n2025 ERROR \x1b[31m y=\"1\" \\"}}),
            "2025-01-01T00:00:00.042Z INFO  [mcp] a\\nb "
            "v=\"x\\n2025 ERROR \\x1B[31m y=\\\"1\\\" \\\\\"");
  EXPECT_EQ(Text("m", {{"v", "\xE2\x80\xAE\xFF"}}),
            "2025-01-01T00:00:00.042Z INFO  [mcp] m v=\"\\u{202E}\\xFF\"");
}

TEST(TextLogTest, WritesListsInBrackets) {
  EXPECT_EQ(Text("m", {{"v", std::vector<std::string>{"a", "b c"}}}),
            "2025-01-01T00:00:00.042Z INFO  [mcp] m v=[a,\"b c\"]");
}

TEST(LoggerTest, WritesLinesFromItsThresholdUnderItsName) {
  testing::internal::CaptureStderr();
  {
    const Logger logger = Logger(LogLevel::kWarn, LogFormat::kJson).Named("core");
    logger.Info("quiet");
    logger.Warn("loud {}", {{"k", "{0}"}});
    EXPECT_EQ(logger.lines_dropped(), 0u);
  }  // the destructor writes the queued lines
  const std::string out = testing::internal::GetCapturedStderr();
  ASSERT_EQ(std::count(out.begin(), out.end(), '\n'), 1);
  const auto line = nlohmann::json::parse(out);
  EXPECT_EQ(line["msg"], "loud {}");
  EXPECT_EQ(line["logger"], "core");
}

}  // namespace
}  // namespace runner
