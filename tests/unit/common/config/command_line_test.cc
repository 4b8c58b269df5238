#include "common/config/command_line.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class CommandLineTest : public testing::Test {
 protected:
  CommandLine Parse(const std::vector<std::string>& arguments) {
    std::vector<const char*> argv = {"program"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    problems_.clear();
    return ParseCommandLine(syntax_, options_, static_cast<int>(argv.size()), argv.data(),
                            problems_);
  }

  std::string text_, other_;
  bool on_ = false;
  std::vector<std::string> list_;
  CommandLineSyntax syntax_{.program = "program", .summary = "Does it."};
  std::vector<Option> options_ = {
      TextOption({.flag = "--text", .env = {"TEXT"}, .help = "text"}, &text_),
      TextOption({.flag = "--text-more", .help = "more text"}, &other_),
      SwitchOption({.flag = "--on", .group = "Switches", .help = "switch"}, &on_),
      ListOption({.flag = "--item", .help = "item"}, &list_)};
  std::vector<std::string> problems_;
};

TEST_F(CommandLineTest, KeepsEveryValueAsItWasGiven) {
  const CommandLine line =
      Parse({"--text", "a b", "--item=1", "--on", "--item", "2", "--text=c=d", "--on=no"});
  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_THAT(line.values, UnorderedElementsAre(Pair("--text", ElementsAre("a b", "c=d")),
                                                Pair("--item", ElementsAre("1", "2")),
                                                Pair("--on", ElementsAre("true", "no"))));
}

TEST_F(CommandLineTest, AnEmptyValueDoesNotTakeTheNextArgument) {
  const CommandLine line = Parse({"--text=", "--on", "--item=", "--on="});
  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_THAT(line.values,
              UnorderedElementsAre(Pair("--text", ElementsAre("")), Pair("--item", ElementsAre("")),
                                   Pair("--on", ElementsAre("true", ""))));
}

TEST_F(CommandLineTest, TheWordBehindAnOptionIsItsValue) {
  for (const std::string value : {"-5", "-h", "--help", "--on", "--text=x", "--nonsense", "[a,b]",
                                  "{}", "@file", "-x=1", ""}) {
    const CommandLine line = Parse({"--text", value});
    EXPECT_THAT(problems_, IsEmpty()) << value;
    EXPECT_THAT(line.values, ElementsAre(Pair("--text", ElementsAre(value))));
    EXPECT_FALSE(line.help);
  }
}

TEST_F(CommandLineTest, ARepeatedOptionMayHaveItsNameAsItsValue) {
  const CommandLine line = Parse({"--text", "a", "--text", "--text"});
  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_THAT(line.values, ElementsAre(Pair("--text", ElementsAre("a", "--text"))));
}

TEST_F(CommandLineTest, ValuesBehindAnEqualsSignAreNotInterpreted) {
  for (const std::string value : {"[a,b]", "{}", "true", "--", "-h", "\"q\"", "a\nb", "\xff\xfe"}) {
    for (const std::string flag : {"--text", "--on", "--item"}) {
      EXPECT_THAT(Parse({flag + "=" + value}).values, ElementsAre(Pair(flag, ElementsAre(value))));
      EXPECT_THAT(problems_, IsEmpty());
    }
  }
}

TEST_F(CommandLineTest, DashesEndTheOptions) {
  const CommandLine line = Parse({"--on", "--", "sh", "--text", "--", "-h"});
  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_EQ(line.trailing, (std::vector<std::string>{"sh", "--text", "--", "-h"}));
  EXPECT_THAT(line.values, ElementsAre(Pair("--on", ElementsAre("true"))));
  EXPECT_FALSE(line.help);
  EXPECT_EQ(Parse({"--"}).trailing, std::vector<std::string>());
  EXPECT_EQ(Parse({}).trailing, std::nullopt);
}

TEST_F(CommandLineTest, AMissingValueIsReportedWithTheOtherProblems) {
  const std::string missing = "--text: missing value; expected --text TEXT";
  Parse({"--text"});
  EXPECT_THAT(problems_, ElementsAre(missing));
  Parse({"--nonsense", "--on", "--text", "--", "sh"});
  EXPECT_THAT(problems_, ElementsAre(HasSubstr("--nonsense"), missing));
  EXPECT_TRUE(Parse({"--help", "--text"}).help);
}

TEST_F(CommandLineTest, NamesAreNotAbbreviatedAndCaseMatters) {
  for (const std::string argument : {"--tex", "--TEXT", "-text", "--o", "--hel", "--no-on", "/on",
                                     "-help", "-hx", "-H", "---on", "-", "--=x", "--text_more"}) {
    const CommandLine line = Parse({argument});
    EXPECT_THAT(problems_, SizeIs(1)) << argument;
    EXPECT_THAT(line.values, IsEmpty()) << argument;
    EXPECT_FALSE(line.help) << argument;
  }
}

TEST_F(CommandLineTest, AnUnknownOptionIsOneProblemWithASuggestion) {
  Parse({"--tex", "value", "--on", "word", "--secret-text=hidden"});
  EXPECT_THAT(
      problems_,
      ElementsAre("\"--tex\": unknown option; did you mean --text?",
                  AllOf(HasSubstr("\"word\": unexpected argument; expected --option=value")),
                  AllOf(HasSubstr("\"--secret-text\""), Not(HasSubstr("hidden")))));
  Parse({"--tex", "--on", "word"});
  EXPECT_THAT(problems_, SizeIs(2)) << "the word does not follow the unknown option";
}

TEST_F(CommandLineTest, FilesOfArgumentsAndConfigurationsAreNotRead) {
  Parse({"@/etc/passwd", "--config=/etc/passwd", "--config", "/etc/passwd"});
  EXPECT_THAT(problems_, ElementsAre(HasSubstr("@/etc/passwd"), HasSubstr("\"--config\""),
                                     HasSubstr("\"--config\"")));
}

TEST_F(CommandLineTest, FlagsOfAllProgramsTakeNoValue) {
  for (const std::string flag : {"--help", "--version", "--check-config", "--print-config"}) {
    const CommandLine line = Parse({flag + "=x"});
    EXPECT_THAT(problems_, ElementsAre(flag + ": invalid value \"x\"; expected no value"));
    EXPECT_FALSE(line.help || line.version || line.check_config || line.print_config);
    Parse({flag + "="});
    EXPECT_THAT(problems_, ElementsAre(flag + ": invalid value \"\"; expected no value"));
  }
  EXPECT_TRUE(Parse({"--on", "-h"}).help);
  EXPECT_TRUE(Parse({"--help", "--help"}).help);
  EXPECT_TRUE(Parse({"--version", "x"}).version);
  EXPECT_TRUE(Parse({"--check-config"}).check_config);
  EXPECT_TRUE(Parse({"--print-config"}).print_config);
}

TEST_F(CommandLineTest, LongAndManyArguments) {
  const std::string value(1 << 20, 'x');
  EXPECT_EQ(Parse({"--text", value}).values.at("--text").front(), value);
  Parse({value, "--" + value, "--" + value + "=" + value});
  EXPECT_THAT(problems_, SizeIs(3));
  for (const std::string& problem : problems_) EXPECT_LT(problem.size(), 400u);
  const CommandLine line = Parse(std::vector<std::string>(20'000, "--item=a"));
  EXPECT_THAT(line.values.at("--item"), SizeIs(20'000));
  Parse(std::vector<std::string>(2'000, "--nonsense"));
  EXPECT_THAT(problems_, SizeIs(2'000));
}

TEST_F(CommandLineTest, AnEmptyArgumentListIsNone) {
  EXPECT_THAT(ParseCommandLine(syntax_, options_, 0, nullptr, problems_).values, IsEmpty());
  EXPECT_THAT(problems_, IsEmpty());
}

TEST_F(CommandLineTest, HelpIsWrapped) {
  options_[0].spec.help.clear();
  for (int i = 0; i < 100; ++i) options_[0].spec.help += "word" + std::to_string(i) + ' ';
  options_[0].spec.help += std::string(150, 'x');
  const std::string help = HelpText(syntax_, options_);
  // The longest lines have 13 of the longer words: 6 + 13 * 7 - 1 columns.
  EXPECT_THAT(help, HasSubstr("\n      word54 word55 word56 word57 word58 word59 word60 word61 "
                              "word62 word63 word64 word65 word66\n      word67 "));
  EXPECT_THAT(help, HasSubstr("\n      " + std::string(150, 'x') + "\n      env: TEXT\n"));
}

TEST_F(CommandLineTest, HelpIsGrouped) {
  syntax_.trailing_name = "COMMAND";
  const std::string help = HelpText(syntax_, options_);
  EXPECT_THAT(help, HasSubstr("Usage: program [options] [-- COMMAND...]\n"));
  EXPECT_THAT(help, HasSubstr("\nSwitches:\n  --on\n      switch\n      true or false\n"));
  EXPECT_THAT(help, HasSubstr("  --text TEXT\n      text\n      env: TEXT\n"));
  EXPECT_THAT(help, HasSubstr("\nGeneral:\n"));
  EXPECT_THAT(help, HasSubstr("  -h,--help\n"));
}

}  // namespace
}  // namespace runner
