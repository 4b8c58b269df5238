#include "common/config/option_table.h"

#include <map>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    table_
        .Integer({.flag = "--slots",
                  .env = {"SLOTS", "OLD_SLOTS"},
                  .default_text = "5",
                  .help = "How many."},
                 1, 100, &slots_)
        .Seconds({.flag = "--timeout", .env = {"TIMEOUT"}, .default_text = "1m30s"}, {}, &timeout_)
        .Port({.flag = "--port", .env = {"PORT"}, .default_text = "9090"}, &port_)
        .Bool({.flag = "--backfill", .env = {"BACKFILL"}, .default_text = "true"}, &backfill_)
        .Bool({.flag = "--sidecar", .default_help = "true on loopback"}, &sidecar_)
        .List({.flag = "--agent-env", .env = {"AGENT_ENV"}}, &list_)
        .String({.flag = "--token", .env = {"TOKEN"}, .secret = true}, &token_)
        .Word({.flag = "--mode", .default_text = "auto"}, {"auto", "poll"}, &mode_)
        .SeverityLevel({.flag = "--severity", .default_text = "warning"}, &severity_)
        .Bytes({.flag = "--size", .default_text = "10MiB"}, &size_);
  }

  ParseResult Parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "program");
    return table_.Parse(static_cast<int>(arguments.size()), arguments.data(),
                        [this](const std::string& name) -> std::optional<std::string> {
                          const auto found = environment_.find(name);
                          if (found == environment_.end()) return std::nullopt;
                          return found->second;
                        });
  }

  std::map<std::string, std::string> environment_;
  std::uint32_t slots_ = 0;
  Duration timeout_{};
  std::uint16_t port_ = 0;
  bool backfill_ = false;
  std::optional<bool> sidecar_;
  std::vector<std::string> list_;
  std::string token_;
  std::string mode_;
  Severity severity_{};
  std::uint64_t size_ = 0;
  ConfigTable table_{"runner-test", "Tests the table."};
};

TEST_F(ConfigTest, DefaultsFillTheDestinations) {
  EXPECT_EQ(Parse({}).kind, ParseResult::kOk);
  EXPECT_EQ(slots_, 5u);
  EXPECT_EQ(timeout_, std::chrono::seconds(90));
  EXPECT_EQ(port_, 9090);
  EXPECT_TRUE(backfill_);
  EXPECT_EQ(sidecar_, std::nullopt);
  EXPECT_EQ(severity_, Severity::kWarning);
  EXPECT_EQ(size_, 10485760u);
  EXPECT_EQ(table_.SourceOf("--slots"), ConfigSource::kDefault);
}

TEST_F(ConfigTest, FlagGoesBeforeEnvironmentBeforeDefault) {
  environment_ = {{"SLOTS", "6"}, {"TIMEOUT", "7"}};
  EXPECT_EQ(Parse({"--slots=8"}).kind, ParseResult::kOk);
  EXPECT_EQ(slots_, 8u);
  EXPECT_EQ(timeout_, std::chrono::seconds(7));
  EXPECT_EQ(table_.SourceOf("--slots"), ConfigSource::kFlag);
  EXPECT_EQ(table_.SourceOf("--timeout"), ConfigSource::kEnvironment);
}

TEST_F(ConfigTest, EmptyEnvironmentCountsAsUnset) {
  environment_ = {{"SLOTS", ""}, {"OLD_SLOTS", "9"}, {"TIMEOUT", ""}};
  EXPECT_EQ(Parse({}).kind, ParseResult::kOk);
  EXPECT_EQ(slots_, 9u);
  EXPECT_EQ(timeout_, std::chrono::seconds(90));
}

TEST_F(ConfigTest, SwitchesTakeTheirValueWithAnEqualsSignOnly) {
  EXPECT_EQ(Parse({"--backfill=false", "--sidecar"}).kind, ParseResult::kOk);
  EXPECT_FALSE(backfill_);
  EXPECT_EQ(sidecar_, true);
  EXPECT_THAT(Parse({"--backfill", "false"}).problems,
              ElementsAre(HasSubstr("\"false\": unexpected argument")));
}

TEST_F(ConfigTest, LastOfARepeatedFlagCounts) {
  Parse({"--slots", "1", "--slots", "2"});
  EXPECT_EQ(slots_, 2u);
}

TEST_F(ConfigTest, ListsRepeatAsFlagsAndAreCommaListsInTheEnvironment) {
  environment_ = {{"AGENT_ENV", "A, B,"}};
  Parse({});
  EXPECT_THAT(list_, ElementsAre("A", "B"));
  Parse({"--agent-env", "C,D", "--agent-env=E"});
  EXPECT_THAT(list_, ElementsAre("C,D", "E"));
}

TEST_F(ConfigTest, AnEmptyValueIsAValue) {
  environment_ = {{"TOKEN", "x"}};
  EXPECT_EQ(Parse({"--token=", "--slots=3"}).kind, ParseResult::kOk);
  EXPECT_EQ(token_, "");
  EXPECT_EQ(slots_, 3u);
}

TEST_F(ConfigTest, AllProblemsAreToldAtOnceWithNameValueAndWhatIsAllowed) {
  environment_ = {{"TIMEOUT", "soon"}, {"PORT", "70000"}, {"BACKFILL", "perhaps"}};
  const ParseResult result =
      Parse({"--slots=0", "--mode=push", "--severity", "loud", "--size=1X", "--slot", "3"});
  EXPECT_EQ(result.kind, ParseResult::kExit);
  EXPECT_EQ(result.exit_code, 78);
  EXPECT_THAT(
      result.problems,
      ElementsAre(AllOf(HasSubstr("--slot"), HasSubstr("did you mean --slots?")),
                  AllOf(HasSubstr("--slots: invalid value \"0\""), HasSubstr("from 1 to 100")),
                  AllOf(HasSubstr("TIMEOUT: invalid value \"soon\""), HasSubstr("1m30s")),
                  AllOf(HasSubstr("PORT: invalid value \"70000\""), HasSubstr("0 to 65535")),
                  AllOf(HasSubstr("BACKFILL: invalid value \"perhaps\"; expected"),
                        HasSubstr("true or false")),
                  AllOf(HasSubstr("--mode: invalid value \"push\""), HasSubstr("auto, poll")),
                  AllOf(HasSubstr("--severity: invalid value \"loud\""), HasSubstr("critical")),
                  AllOf(HasSubstr("--size: invalid value \"1X\""), HasSubstr("10MiB"))));
}

TEST_F(ConfigTest, AMissingValueIsAProblem) {
  EXPECT_THAT(Parse({"--slots"}).problems, ElementsAre(HasSubstr("--slots: its value is missing")));
}

TEST_F(ConfigTest, ARequiredOptionMustBeGiven) {
  std::string command;
  table_.String({.flag = "--agent-command", .env = {"AGENT_COMMAND"}, .required = true}, &command);
  EXPECT_THAT(Parse({}).problems,
              ElementsAre(AllOf(HasSubstr("--agent-command"), HasSubstr("AGENT_COMMAND"))));
  environment_ = {{"AGENT_COMMAND", "claude"}};
  EXPECT_EQ(Parse({}).kind, ParseResult::kOk);
}

TEST_F(ConfigTest, EverythingAfterTheDashesIsTheCommandVerbatim) {
  std::vector<std::string> command;
  table_.TrailingCommand("COMMAND", "The agent.", "--mode", &command);
  EXPECT_EQ(Parse({"--slots=2", "--", "sh", "-c", "--slots=0", "--"}).kind, ParseResult::kOk);
  EXPECT_THAT(command, ElementsAre("sh", "-c", "--slots=0", "--"));
  EXPECT_EQ(slots_, 2u);
}

TEST_F(ConfigTest, ACommandAfterTheDashesGoesBeforeTheEnvironmentAndNotWithTheFlag) {
  std::string line;
  std::vector<std::string> command;
  table_.String({.flag = "--command", .env = {"COMMAND"}}, &line)
      .TrailingCommand("WORDS", "The same.", "--command", &command);
  environment_ = {{"COMMAND", "of the environment"}};
  EXPECT_EQ(Parse({"--", "sh", "-c", "it's"}).kind, ParseResult::kOk);
  EXPECT_EQ(line, "");
  EXPECT_THAT(command, ElementsAre("sh", "-c", "it's"));
  EXPECT_THAT(table_.Yaml(), HasSubstr("command: sh -c 'it'\\''s'\n"));
  EXPECT_THAT(Parse({"--command=a", "--", "sh"}).problems,
              ElementsAre("--command: set together with -- WORDS...; expected one of them"));
}

TEST_F(ConfigTest, ACommandThatNobodyTakesIsAProblem) {
  EXPECT_THAT(Parse({"--", "sh"}).problems, ElementsAre(HasSubstr("--: no command")));
}

TEST_F(ConfigTest, ChecksRunOnceEveryOptionIsSound) {
  int runs = 0;
  table_.Check({"--slots"}, [&]() -> std::optional<std::string> {
    ++runs;
    return "--slots: too many for --port";
  });
  EXPECT_EQ(Parse({"--slots=0"}).problems.size(), 1u);
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(Parse({"--no-such-option"}).problems.size(), 2u) << "a check waits for nothing else";
  EXPECT_THAT(Parse({}).problems, ElementsAre("--slots: too many for --port"));
}

TEST_F(ConfigTest, HelpComesFromTheTable) {
  const ParseResult result = Parse({"--nonsense", "--help"});
  EXPECT_EQ(result.kind, ParseResult::kExit);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.text, AllOf(HasSubstr("--slots N"), HasSubstr("How many."),
                                 HasSubstr("environment: SLOTS, OLD_SLOTS; default: 5"),
                                 HasSubstr("default: true on loopback")));
}

TEST_F(ConfigTest, VersionNamesTheProgram) {
  const ParseResult result = Parse({"--version"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_TRUE(result.text.starts_with("runner-test "));
}

TEST_F(ConfigTest, CheckAndPrintEndWithoutStarting) {
  const ParseResult checked = Parse({"--check-config"});
  EXPECT_EQ(checked.kind, ParseResult::kExit);
  EXPECT_EQ(checked.exit_code, 0);
  EXPECT_THAT(checked.text, HasSubstr("valid"));
  const ParseResult printed = Parse({"--print-config", "--slots=7", "--token=hunter2"});
  EXPECT_EQ(printed.exit_code, 0);
  EXPECT_EQ(printed.text,
            "slots: 7\ntimeout: 1m30s\nport: 9090\nbackfill: true\n# sidecar: true on loopback\n"
            "agent_env: []\ntoken: \"***\"\nmode: auto\nseverity: warning\nsize: 10485760\n");
  for (const char* flag : {"--check-config", "--print-config"}) {
    const ParseResult wrong = Parse({flag, "--slots=0"});
    EXPECT_EQ(wrong.exit_code, 78);
    EXPECT_EQ(wrong.text, "");
    EXPECT_THAT(wrong.problems, ElementsAre(HasSubstr("--slots")));
  }
}

TEST_F(ConfigTest, OfASecretListTheNamesAreShown) {
  std::vector<std::string> list;
  table_.List({.flag = "--env", .secret = true}, &list);
  // The last one may be what a comma in a value has left over.
  Parse({"--env=PATH", "--env=KEY=hunter2", "--env=hunter3"});
  EXPECT_THAT(table_.Yaml(), HasSubstr("env: [PATH, KEY=***, \"***\"]"));
}

TEST_F(ConfigTest, SecretsAreMasked) {
  EXPECT_EQ(Parse({"--token=hunter2"}).kind, ParseResult::kOk);
  bool seen = false;
  for (const LogField& field : table_.Effective()) {
    EXPECT_NE(field.value, LogField::Value(std::string("hunter2")));
    if (field.key != "token") continue;
    seen = true;
    EXPECT_EQ(field.value, LogField::Value(std::string("***")));
  }
  EXPECT_TRUE(seen);
}

TEST_F(ConfigTest, EffectiveTellsTheValuesOfNow) {
  Parse({"--agent-env=A"});
  sidecar_ = false;
  std::map<std::string, LogField::Value> values;
  for (const LogField& field : table_.Effective()) values.emplace(field.key, field.value);
  EXPECT_EQ(values.size(), 10u);
  EXPECT_EQ(values.at("timeout"), LogField::Value(90.0));
  EXPECT_EQ(values.at("agent_env"), LogField::Value(std::vector<std::string>{"A"}));
  EXPECT_EQ(values.at("sidecar"), LogField::Value(false));
}

TEST_F(ConfigTest, DeclaringTwiceOrABadDefaultIsADefect) {
  EXPECT_THROW(table_.Port({.flag = "--port"}, &port_), std::logic_error);
  table_.Port({.flag = "--other-port", .default_text = "x"}, &port_);
  EXPECT_THROW(Parse({}), std::logic_error);
}

}  // namespace
}  // namespace runner
