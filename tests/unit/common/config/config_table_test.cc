#include "common/config/config_table.h"

#include <map>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

enum class Mode { kAuto, kPoll };

class ConfigTableTest : public testing::Test {
 protected:
  ConfigTableTest() {
    table_
        .Add(IntegerOption({.flag = "--slots",
                            .env = {"SLOTS", "OLD_SLOTS"},
                            .default_text = "5",
                            .help = "How many"},
                           1, 100, &slots_))
        .Add(DurationOption({.flag = "--timeout", .env = {"TIMEOUT"}, .default_text = "1m30s"}, {},
                            &timeout_))
        .Add(PortOption({.flag = "--port", .env = {"PORT"}, .default_text = "9090"}, &port_))
        .Add(SwitchOption({.flag = "--backfill", .env = {"BACKFILL"}, .default_text = "true"},
                          &backfill_))
        .Add(SwitchOption({.flag = "--sidecar", .default_help = "true on loopback"}, &sidecar_))
        .Add(ListOption({.flag = "--agent-env", .env = {"AGENT_ENV"}}, &list_))
        .Add(TextOption({.flag = "--token", .env = {"TOKEN"}, .secret = true}, &token_))
        .Add(EnumOption<Mode>({.flag = "--mode", .default_text = "auto"},
                              {{"auto", Mode::kAuto}, {"poll", Mode::kPoll}}, &mode_))
        .Add(SeverityOption({.flag = "--severity", .default_text = "warning"}, &severity_))
        .Add(BytesOption({.flag = "--size", .default_text = "10MiB"}, &size_));
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
  Mode mode_{};
  Severity severity_{};
  std::uint64_t size_ = 0;
  ConfigTable table_{"runner-test", "Tests the table."};
};

TEST_F(ConfigTableTest, DefaultsFillTheDestinations) {
  EXPECT_EQ(Parse({}).kind, ParseResult::kOk);
  EXPECT_EQ(slots_, 5u);
  EXPECT_EQ(timeout_, std::chrono::seconds(90));
  EXPECT_EQ(port_, 9090);
  EXPECT_TRUE(backfill_);
  EXPECT_EQ(sidecar_, std::nullopt);
  EXPECT_EQ(severity_, Severity::kWarning);
  EXPECT_EQ(size_, 10485760u);
}

TEST_F(ConfigTableTest, FlagHasPrecedenceOverEnvironmentAndDefault) {
  environment_ = {{"SLOTS", "6"}, {"TIMEOUT", "7"}};
  EXPECT_EQ(Parse({"--slots=8"}).kind, ParseResult::kOk);
  EXPECT_EQ(slots_, 8u);
  EXPECT_EQ(timeout_, std::chrono::seconds(7));
}

TEST_F(ConfigTableTest, EmptyEnvironmentCountsAsUnset) {
  environment_ = {{"SLOTS", ""}, {"OLD_SLOTS", "9"}, {"TIMEOUT", ""}};
  EXPECT_EQ(Parse({}).kind, ParseResult::kOk);
  EXPECT_EQ(slots_, 9u);
  EXPECT_EQ(timeout_, std::chrono::seconds(90));
}

TEST_F(ConfigTableTest, SwitchesTakeTheirValueWithAnEqualsSignOnly) {
  EXPECT_EQ(Parse({"--backfill=false", "--sidecar"}).kind, ParseResult::kOk);
  EXPECT_FALSE(backfill_);
  EXPECT_EQ(sidecar_, true);
  EXPECT_THAT(Parse({"--backfill", "false"}).problems,
              ElementsAre(HasSubstr("\"false\": unexpected argument")));
}

TEST_F(ConfigTableTest, LastValueOfARepeatedFlagCounts) {
  Parse({"--slots", "1", "--slots", "2"});
  EXPECT_EQ(slots_, 2u);
}

TEST_F(ConfigTableTest, ListsRepeatAsFlagsAndAreCommaListsInTheEnvironment) {
  environment_ = {{"AGENT_ENV", "A, B,"}};
  Parse({});
  EXPECT_THAT(list_, ElementsAre("A", "B"));
  Parse({"--agent-env", "C,D", "--agent-env=E"});
  EXPECT_THAT(list_, ElementsAre("C,D", "E"));
}

TEST_F(ConfigTableTest, AnEmptyValueIsAValue) {
  environment_ = {{"TOKEN", "x"}};
  EXPECT_EQ(Parse({"--token=", "--slots=3"}).kind, ParseResult::kOk);
  EXPECT_EQ(token_, "");
  EXPECT_EQ(slots_, 3u);
}

TEST_F(ConfigTableTest, AllProblemsAreReportedWithNameValueAndExpectation) {
  environment_ = {{"TIMEOUT", "soon"}, {"PORT", "70000"}, {"BACKFILL", "perhaps"}};
  const ParseResult result =
      Parse({"--slots=0", "--mode=push", "--severity", "loud", "--size=1X", "--slot", "3"});
  EXPECT_EQ(result.kind, ParseResult::kExit);
  EXPECT_EQ(result.exit_code, 78);
  EXPECT_THAT(
      result.problems,
      ElementsAre(
          AllOf(HasSubstr("--slot"), HasSubstr("did you mean --slots?")),
          AllOf(HasSubstr("--slots: invalid value \"0\""), HasSubstr("from 1 to 100")),
          AllOf(HasSubstr("TIMEOUT: invalid value \"soon\""), HasSubstr("1m30s")),
          AllOf(HasSubstr("PORT: invalid value \"70000\""), HasSubstr("expected 0 to 65535")),
          AllOf(HasSubstr("BACKFILL: invalid value \"perhaps\"; expected"),
                HasSubstr("true or false")),
          AllOf(HasSubstr("--mode: invalid value \"push\""), HasSubstr("auto, poll")),
          AllOf(HasSubstr("--severity: invalid value \"loud\""), HasSubstr("critical")),
          AllOf(HasSubstr("--size: invalid value \"1X\""), HasSubstr("10MiB"))));
}

TEST_F(ConfigTableTest, WordsBehindTheDashesAreTheCommand) {
  std::vector<std::string> command;
  table_.TrailingCommand("COMMAND", "--mode", &command);
  EXPECT_EQ(Parse({"--slots=2", "--", "sh", "-c", "--slots=0", "--"}).kind, ParseResult::kOk);
  EXPECT_THAT(command, ElementsAre("sh", "-c", "--slots=0", "--"));
  EXPECT_EQ(slots_, 2u);
}

TEST_F(ConfigTableTest, CommandBehindTheDashesExcludesTheFlagAndOverridesTheEnvironment) {
  std::string line;
  std::vector<std::string> command;
  table_.Add(TextOption({.flag = "--command", .env = {"COMMAND"}}, &line))
      .TrailingCommand("WORDS", "--command", &command);
  environment_ = {{"COMMAND", "of the environment"}};
  EXPECT_EQ(Parse({"--", "sh", "-c", "it's"}).kind, ParseResult::kOk);
  EXPECT_EQ(line, "");
  EXPECT_THAT(command, ElementsAre("sh", "-c", "it's"));
  EXPECT_THAT(table_.Yaml(), HasSubstr("command: sh -c 'it'\\''s'\n"));
  EXPECT_THAT(Parse({"--command=a", "--", "sh"}).problems,
              ElementsAre("--command: set together with -- WORDS...; expected one of them"));
}

TEST_F(ConfigTableTest, CommandIsRejectedByAProgramWithout) {
  EXPECT_THAT(Parse({"--", "sh"}).problems,
              ElementsAre("--: runner-test accepts no command; expected options only"));
}

TEST_F(ConfigTableTest, ChecksRunIfTheirOptionsAreValid) {
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

TEST_F(ConfigTableTest, HelpIsPrintedWhateverElseIsWrong) {
  const ParseResult result = Parse({"--nonsense", "--slots=0", "--help", "--port"});
  EXPECT_EQ(result.kind, ParseResult::kExit);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.problems, ElementsAre());
  EXPECT_THAT(result.text,
              AllOf(HasSubstr("  --slots N (default: 5)\n"), HasSubstr("\n      How many\n"),
                    HasSubstr("\n      an integer from 1 to 100; env: SLOTS, OLD_SLOTS\n"),
                    HasSubstr("  --sidecar (default: true on loopback)\n")));
}

TEST_F(ConfigTableTest, VersionNamesTheProgram) {
  const ParseResult result = Parse({"--version"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_TRUE(result.text.starts_with("runner-test "));
}

TEST_F(ConfigTableTest, CheckConfigAndPrintConfigExit) {
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

TEST_F(ConfigTableTest, NamesInASecretListAreShown) {
  std::vector<std::string> list;
  table_.Add(ListOption({.flag = "--env", .secret = true}, &list));
  // The last one may be what a comma in a value has left over.
  Parse({"--env=PATH", "--env=KEY=hunter2", "--env=hunter3"});
  EXPECT_THAT(table_.Yaml(), HasSubstr("env: [PATH, KEY=***, \"***\"]"));
}

TEST_F(ConfigTableTest, SecretsAreMasked) {
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

TEST_F(ConfigTableTest, EffectiveShowsTheCurrentValues) {
  Parse({"--agent-env=A"});
  sidecar_ = false;
  std::map<std::string, LogField::Value> values;
  for (const LogField& field : table_.Effective()) values.emplace(field.key, field.value);
  EXPECT_EQ(values.size(), 10u);
  EXPECT_EQ(values.at("timeout"), LogField::Value(90.0));
  EXPECT_EQ(values.at("agent_env"), LogField::Value(std::vector<std::string>{"A"}));
  EXPECT_EQ(values.at("sidecar"), LogField::Value(false));
}

TEST_F(ConfigTableTest, AddingTwiceOrABadDefaultThrows) {
  EXPECT_THROW(table_.Add(PortOption({.flag = "--port"}, &port_)), std::logic_error);
  table_.Add(PortOption({.flag = "--other-port", .default_text = "x"}, &port_));
  EXPECT_THROW(Parse({}), std::logic_error);
}

}  // namespace
}  // namespace runner
