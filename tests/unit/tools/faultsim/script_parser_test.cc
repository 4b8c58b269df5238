#include "tools/faultsim/script_parser.h"

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner::faultsim {
namespace {

using ::testing::HasSubstr;

Script OneRule(const std::string& steps) {
  return ParseScript(R"({"rules": [{"steps": [)" + steps + "]}]}");
}

// The first step of a script with one rule.
template <typename What>
What First(const std::string& step) {
  return std::get<What>(OneRule(step).rules.at(0).steps->at(0).what);
}

std::string Complaint(const std::string& text) {
  try {
    ParseScript(text);
  } catch (const ScriptError& error) {
    return error.what();
  }
  return "none";
}
std::string StepComplaint(const std::string& step) {
  return Complaint(R"({"rules": [{"name": "bad", "steps": [)" + step + "]}]}");
}

TEST(ScriptParser, EveryCharacterIsOneByte) {
  EXPECT_EQ(First<step::Send>(R"({"send": "a\u0000\u00ff\r\n"})").bytes,
            std::string("a\0\xff\r\n", 5));
  EXPECT_EQ(First<step::Send>(R"({"send": "é"})").bytes, "\xE9");
  EXPECT_EQ(First<step::Send>(R"({"send": {"base64": "AP8K"}})").bytes, std::string("\0\xff\n", 3));
  EXPECT_EQ(First<step::Send>(R"({"send": {"base64": "YQ=="}})").bytes, "a");
  EXPECT_EQ(First<step::Send>(R"({"write": "x"})").body, true);
  EXPECT_EQ(First<step::Send>(R"({"send": "x"})").body, false);
}

TEST(ScriptParser, ShortcutsBecomeBytes) {
  EXPECT_EQ(
      First<step::Send>(R"({"event": {"event": "e", "id": 7, "retry": 0, "data": "a\nb"}})").bytes,
      "event: e\nid: 7\nretry: 0\ndata: a\ndata: b\n\n");
  EXPECT_EQ(First<step::Send>(R"({"event": {"retry": 1000000000000}})").bytes,
            "retry: 1000000000000\n\n");
  EXPECT_EQ(First<step::Send>(R"({"event": {"data": "π"}})").bytes, "data: π\n\n") << "UTF-8";
  EXPECT_EQ(First<step::Send>(R"({"comment": "ping"})").bytes, ":ping\n\n");
  const HttpResponse redirect = First<step::Respond>(R"({"redirect": "http://x/"})").response;
  EXPECT_EQ(redirect.status, 307);
  EXPECT_EQ(redirect.headers.at(0).second, "http://x/");
  EXPECT_EQ(First<step::Respond>(R"({"redirect": {"status": 302, "to": "/"}})").response.status,
            302);
  EXPECT_TRUE(First<step::Respond>(R"("stream")").response.stream);
}

TEST(ScriptParser, ReadsTheNumbersOfSteps) {
  EXPECT_EQ(First<step::Fill>(R"({"fill": {"bytes": 9}})").count, 9u);
  EXPECT_EQ(First<step::Fill>(R"({"fill": {}})").count, step::kForEver);
  EXPECT_EQ(First<step::Flood>(R"({"flood": {"count": 3}})").count, 3u);
  EXPECT_EQ(First<step::SetPace>(R"({"pace": {"bytes": 1, "ms": 20}})").pace.pause,
            std::chrono::milliseconds(20));
  EXPECT_EQ(First<step::ChunkSize>(R"({"chunk": 2})").bytes, 2u);
  EXPECT_EQ(First<step::Wait>(R"({"wait": 1500})").delay, std::chrono::milliseconds(1500));
  const auto repeat = First<step::Repeat>(R"({"repeat": {"times": 2, "steps": ["serve"]}})");
  EXPECT_EQ(repeat.times, 2u);
  EXPECT_EQ(repeat.steps.size(), 1u);
  EXPECT_EQ(First<step::Repeat>(R"({"repeat": {"steps": ["stall"]}})").times, step::kForEver);
}

TEST(ScriptParser, ReadsMatches) {
  const Script script = ParseScript(R"({"rules": [
    {"name": "n", "match": {"method": "POST", "path": "/c/*", "rpc": "tools/call", "tool": "t",
                            "from": 2, "to": 4, "per": "session"}, "steps": ["reset"]},
    {"match": {"nth": 3}, "steps": ["close"]}]})");
  const Match& match = script.rules.at(0).match;
  EXPECT_EQ(match.method, "POST");
  EXPECT_EQ(match.path, "/c/*");
  EXPECT_EQ(match.rpc, "tools/call");
  EXPECT_EQ(match.tool, "t");
  EXPECT_EQ(match.from, 2u);
  EXPECT_EQ(match.to, 4u);
  EXPECT_TRUE(match.per_session);
  EXPECT_EQ(script.rules.at(1).match.from, 3u);
  EXPECT_EQ(script.rules.at(1).match.to, 3u);
}

TEST(ScriptParser, ErrorsNameTheRuleAndTheKey) {
  EXPECT_THAT(StepComplaint(R"("serve", {"wait": -1})"),
              HasSubstr("script.rules #1 'bad'.steps #2.wait: must be a number from 0"));
  EXPECT_THAT(StepComplaint(R"({"sned": "x"})"), HasSubstr("steps #1.sned: unknown step"));
  EXPECT_THAT(StepComplaint(R"("sned")"), HasSubstr("unknown step 'sned'"));
  EXPECT_THAT(StepComplaint(R"({"pace": {"byte": 1}})"),
              HasSubstr("pace.byte: unknown key; expected bytes, ms"));
  EXPECT_THAT(StepComplaint(R"({"pace": {}})"), HasSubstr("pace: missing key bytes"));
  EXPECT_THAT(StepComplaint(R"({"repeat": {"steps": []}})"),
              HasSubstr("repeat.steps: must not be empty"));
  EXPECT_THAT(Complaint(R"({"rules": [{"match": {"nth": 1, "to": 2}, "steps": ["end"]}]})"),
              HasSubstr("script.rules #1.match.nth: cannot be combined with from or to"));
  EXPECT_THAT(Complaint(R"({"rules": [{"match": {"from": 3, "to": 2}, "steps": ["end"]}]})"),
              HasSubstr("match.to: must not be less than from"));
  EXPECT_THAT(Complaint(R"({"rules": [{"match": {"per": "day"}, "steps": ["end"]}]})"),
              HasSubstr("match.per: must be session or server"));
}

TEST(ScriptParser, RejectsInvalidScripts) {
  EXPECT_THAT(Complaint("{"), HasSubstr("invalid JSON"));
  EXPECT_THAT(Complaint("[]"), HasSubstr("script: must be an object"));
  EXPECT_THAT(Complaint("{}"), HasSubstr("script: missing key rules"));
  EXPECT_THAT(Complaint(R"({"rules": {}})"), HasSubstr("script.rules: must be a list"));
  EXPECT_THAT(Complaint(R"({"rules": [{}]})"), HasSubstr("script.rules #1: missing key steps"));
  for (const char* step :
       {"1", "{}", R"({"wait": 1, "chunk": 1})", R"({"send": "π"})", R"({"send": 1})",
        R"({"send": {"base64": "!"}})", R"({"send": {"base64": "YQA=YQ"}})", R"({"chunk": 0})",
        R"({"respond": {"status": 99}})", R"({"respond": {"headers": []}})", R"({"redirect": 1})",
        R"({"fill": {"with": ""}})", R"({"flood": {"count": 0}})", R"({"wait": 86400001})",
        R"({"wait": 1.5})"}) {
    EXPECT_NE(StepComplaint(step), "none") << step;
  }
  std::string deep = R"("serve")";
  for (int i = 0; i < 20; ++i) deep = R"({"repeat": {"steps": [)" + deep + "]}}";
  EXPECT_THAT(StepComplaint(deep), HasSubstr("too many nested repeats"));
}

TEST(ScriptParser, NamesAMissingFile) {
  EXPECT_THROW(LoadScript("/nonexistent/script.json"), ScriptError);
}

TEST(ScriptParser, TheSampleScriptsParse) {
  int samples = 0;
  for (const auto& file : std::filesystem::directory_iterator(RUNNER_FAULTSIM_SCRIPTS)) {
    EXPECT_FALSE(LoadScript(file.path()).rules.empty()) << file.path();
    ++samples;
  }
  EXPECT_GE(samples, 5);
}

}  // namespace
}  // namespace runner::faultsim
