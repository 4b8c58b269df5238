// The configuration file, as both programs read it.

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/base/unique_fd.h"
#include "common/config/option_catalog.h"
#include "executor/config/config.h"
#include "ingest/config/config.h"
#include "tests/support/config_fixture.h"

namespace runner {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAreArray;

class ConfigFileTest : public ConfigFixture {
 protected:
  ParseResult ParseIngest(std::vector<std::string> arguments = {}) {
    ingest_ = {};
    ConfigTable table = ingest::MakeConfigTable(&ingest_);
    return Parse(table, std::move(arguments));
  }
  ParseResult ParseExecutor(std::vector<std::string> arguments = {}) {
    ConfigTable table = executor::MakeConfigTable(&executor_, Environment());
    return Parse(table, std::move(arguments));
  }

  ingest::IngestConfig ingest_;
  executor::ExecutorConfig executor_;
};

TEST_F(ConfigFileTest, AFlagGoesBeforeTheEnvironmentBeforeTheFileBeforeTheDefault) {
  WriteConfig("mcp_endpoint: http://a:1/mcp\nmax_queue_age: 10m\nlease_ttl: 30\nmax_attempts: 7\n");
  environment_["LEASE_TTL_SECONDS"] = "31";
  environment_["MAX_ATTEMPTS"] = "8";
  ASSERT_THAT(ParseIngest({"--max-attempts", "9"}).problems, SizeIs(0));
  EXPECT_EQ(ingest_.max_queue_age, std::chrono::minutes(10));
  EXPECT_EQ(ingest_.lease_ttl, std::chrono::seconds(31));
  EXPECT_EQ(ingest_.max_attempts, 9u);
  EXPECT_EQ(ingest_.cluster_queue_size, 100u);
}

TEST_F(ConfigFileTest, AVariableForAgentsThatIsNotSetIsKnown) {
  WriteConfig("agent_command: sh\nagent_env: [SET, MISSING, EMPTY, GIVEN=value]\n");
  environment_["SET"] = "1";
  environment_["EMPTY"] = "";
  ASSERT_THAT(ParseExecutor().problems, SizeIs(0));
  EXPECT_THAT(executor_.MissingVariables(Environment()), ElementsAre("MISSING"));
}

TEST_F(ConfigFileTest, OneFileServesBothPrograms) {
  WriteConfig(
      "mcp_endpoint: http://a:1/mcp\nshutdown_timeout: 12\nslots: 3\nagent_command: sh\n"
      "agent_env: [A, B=c]\ningest: {metrics_port: 1234}\nexecutor: {metrics_port: 4321}\n");
  ASSERT_THAT(ParseIngest().problems, SizeIs(0));
  ASSERT_THAT(ParseExecutor().problems, SizeIs(0));
  EXPECT_EQ(ingest_.common.metrics_port, 1234);
  EXPECT_EQ(executor_.common.metrics_port, 4321);
  EXPECT_EQ(executor_.slots, 3u);
  EXPECT_EQ(executor_.common.shutdown_timeout, std::chrono::seconds(12));
  EXPECT_THAT(executor_.agent_env, ElementsAre("A", "B=c"));
}

TEST_F(ConfigFileTest, LimitsOfAgentsAndWorkspacesAreRead) {
  WriteConfig(
      "agent_command: sh\nagent_memory_limit: 1GiB\nagent_workspace_limit: 10MiB\n"
      "workspace_max_age: 2d\nworkspace_max_bytes: 0\n");
  ASSERT_THAT(ParseExecutor().problems, SizeIs(0));
  EXPECT_EQ(executor_.Agent().memory_limit, 1u << 30);
  EXPECT_EQ(executor_.Agent().workspace_limit, 10u << 20);
  EXPECT_EQ(executor_.Executor().retention.max_age, std::chrono::hours(48));
  EXPECT_EQ(executor_.Executor().retention.max_bytes, 0u);
}

TEST_F(ConfigFileTest, AVariableOfAgentsHasAName) {
  WriteConfig("agent_command: sh\nagent_env: [A=1, =secret]\n");
  const auto problems = ParseExecutor().problems;
  ASSERT_THAT(problems, SizeIs(1));
  EXPECT_THAT(problems[0], AllOf(HasSubstr("--agent-env"), Not(HasSubstr("secret"))));
}

TEST_F(ConfigFileTest, WhatStandsInTheSectionGoesFirst) {
  WriteConfig("mcp_endpoint: http://a:1/mcp\nlog_level: warn\ningest: {log_level: error}\n");
  ASSERT_THAT(ParseIngest().problems, SizeIs(0));
  EXPECT_EQ(ingest_.common.log_level, LogLevel::kError);
}

TEST_F(ConfigFileTest, ASectionIsAMapping) {
  WriteConfig("mcp_endpoint: http://a:1/mcp\ningest: 5\nexecutor: 6\n");
  EXPECT_THAT(ParseIngest().problems,
              ElementsAre(Place(2) + "ingest: not a mapping; expected lines "
                                     "of `key: value`, indented"));
}

TEST_F(ConfigFileTest, ReportsAllProblemsAtOnceWithFileAndLine) {
  WriteConfig(
      "mcp_endpoint: http://a:1/mcp\nmax_queue_aeg: 10\nmax_attempts: many\nlease_ttl: [1, 2]\n"
      "slots: 3\nslots: 4\ningest: {max_atempts: 3}\nlog_level: {a: b}\n");
  EXPECT_THAT(
      ParseIngest().problems,
      ElementsAre(AllOf(StartsWith(Place(6)), HasSubstr("duplicate key \"slots\"")),
                  AllOf(StartsWith(Place(8)), HasSubstr("log_level")),
                  AllOf(StartsWith(Place(4)), HasSubstr("is a list; expected one value")),
                  AllOf(StartsWith(Place(2)), HasSubstr("did you mean max_queue_age?")),
                  AllOf(StartsWith(Place(7)), HasSubstr("did you mean max_attempts?")),
                  AllOf(StartsWith(Place(3)), HasSubstr("max_attempts"), HasSubstr("many"))));
}

TEST_F(ConfigFileTest, AFileThatCannotBeReadIsAProblem) {
  environment_["CONFIG_FILE"] = path_ + "-missing";
  EXPECT_THAT(ParseIngest({"--mcp-endpoint", "http://a:1/mcp"}).problems,
              ElementsAre(HasSubstr("cannot be read")));
}

TEST_F(ConfigFileTest, OtherKindsOfFilesAreNotWaitedFor) {
  const auto problems_of = [this](const std::string& path) {
    environment_["CONFIG_FILE"] = path;
    return ParseIngest({"--mcp-endpoint", "http://a:1/mcp"}).problems;
  };
  const auto says = [](const std::string& what) {
    return ElementsAre(AllOf(HasSubstr("cannot be read: not a regular file but a " + what + ";"),
                             HasSubstr("expected a YAML file that this user can read")));
  };
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THAT(problems_of(path_), says("pipe"));
  const std::string link = path_ + "-link";
  std::filesystem::create_symlink(path_, link);
  EXPECT_THAT(problems_of(link), says("pipe"));
  std::filesystem::remove(link);
  EXPECT_THAT(problems_of("/dev/zero"), says("device"));
  EXPECT_THAT(problems_of("/dev/tty"), says("device"));
  EXPECT_THAT(problems_of("/tmp"), says("directory"));
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  const std::string bound = path_ + "-s";
  bound.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.Get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_THAT(problems_of(bound), says("socket"));
  std::filesystem::remove(bound);
}

TEST_F(ConfigFileTest, AHugeFileIsReadNoFurtherThanItsBound) {
  WriteConfig("");
  std::filesystem::resize_file(path_, std::uintmax_t{1} << 40);  // a hole
  EXPECT_THAT(ParseIngest({"--mcp-endpoint", "http://a:1/mcp"}).problems,
              ElementsAre(HasSubstr("larger than 32 MiB")));
}

TEST_F(ConfigFileTest, WhatIsNotYamlIsAProblem) {
  for (const char* text : {"a: [1, 2", "just words", "- a\n- b\n", "\t- {"}) {
    WriteConfig(text);
    EXPECT_THAT(ParseIngest({"--mcp-endpoint", "http://a:1/mcp"}).problems, SizeIs(1)) << text;
  }
}

TEST_F(ConfigFileTest, AnEmptyFileAndEmptyValuesSayNothing) {
  WriteConfig("# nothing\n");
  EXPECT_THAT(ParseIngest({"--mcp-endpoint", "http://a:1/mcp"}).problems, SizeIs(0));
  WriteConfig("max_attempts:\nlease_ttl: ~\n");
  EXPECT_THAT(ParseIngest({"--mcp-endpoint", "http://a:1/mcp"}).problems, SizeIs(0));
  EXPECT_EQ(ingest_.max_attempts, 3u);
}

TEST_F(ConfigFileTest, AliasesThatMultiplyCostNothing) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 9; ++j) text += (j > 0 ? ", " : "") + before;
    text += "]\n";
  }
  WriteConfig(text);
  EXPECT_THAT(ParseIngest({"--mcp-endpoint", "http://a:1/mcp"}).problems, SizeIs(30));
}

TEST_F(ConfigFileTest, ManyKeysAreOneProblem) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "key" + std::to_string(i) + ": 1\n";
  WriteConfig(text);
  EXPECT_THAT(ParseIngest({"--mcp-endpoint", "http://a:1/mcp"}).problems,
              ElementsAre(HasSubstr("more than 1000 keys")));
}

// Keys of one table that the other one does not have.
std::vector<std::string> Only(const ConfigTable& table, const ConfigTable& other) {
  std::vector<std::string> only = table.FileKeys();
  const std::vector<std::string> others = other.FileKeys();
  std::erase_if(only, [&](const std::string& key) {
    return std::find(others.begin(), others.end(), key) != others.end();
  });
  return only;
}

TEST_F(ConfigFileTest, TheCatalogHasTheOptionsOfBothPrograms) {
  const ConfigTable ingest = ingest::MakeConfigTable(&ingest_);
  const ConfigTable executor = executor::MakeConfigTable(&executor_, Environment());
  EXPECT_THAT(KeysOnlyOf(Program::kIngest), UnorderedElementsAreArray(Only(ingest, executor)));
  EXPECT_THAT(KeysOnlyOf(Program::kExecutor), UnorderedElementsAreArray(Only(executor, ingest)));
}

TEST_F(ConfigFileTest, TheSharedTokenIsNotSentInPlainTextBeyondThisMachine) {
  WriteConfig("");
  const auto problems = [this](std::vector<std::string> arguments) {
    executor::ExecutorConfig config;
    ConfigTable table = executor::MakeConfigTable(&config, Environment());
    arguments.insert(arguments.end(),
                     {"--agent-command", "true", "--grpc-token-file", "/proc/sys/kernel/ostype"});
    return Parse(table, std::move(arguments)).problems;
  };
  EXPECT_THAT(problems({"--ingest-address", "ingest.example:50051"}),
              ElementsAre(HasSubstr("--grpc-token-file")));
  EXPECT_THAT(problems({"--ingest-address", "ingest.example:50051", "--grpc-insecure"}), SizeIs(0));
  EXPECT_THAT(problems({"--ingest-address", "unix:/run/runner/ingest.sock"}), SizeIs(0));
  EXPECT_THAT(problems({}), SizeIs(0));
}

}  // namespace
}  // namespace runner
