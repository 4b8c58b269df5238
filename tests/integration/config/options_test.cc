// Every option of both programs: where its value comes from, what it may be, and that the
// documentation has it.

#include <cstdlib>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/values.h"
#include "common/config/option_catalog.h"
#include "executor/config/config.h"
#include "ingest/config/config.h"
#include "tests/support/config_fixture.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_authority.h"

namespace runner {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAreArray;

// Values are given as --print-config shows them.
struct OptionCase {
  Program program;
  std::string flag;
  std::string environment;
  std::string shown_default;  // "REQUIRED" when there is none
  std::string of_file;
  std::string of_environment;
  std::string of_flag;
  std::string bad = {};  // empty: there is no bad value
};

void PrintTo(const OptionCase& option, std::ostream* out) { *out << option.flag; }

std::string NameOf(const OptionCase& option) {
  std::string name = option.program == Program::kIngest ? "ingest_" : "executor_";
  name += KeyOf(option.flag);
  // An option may have a second variable.
  if (option.environment == "AGENT_TIMEOUT") name += "_by_its_short_variable";
  return name;
}

// One of three files, each of which will do for a certificate, its key and the authorities.
std::string TlsFile(const std::string& name) {
  static const support::TempDir directory;
  static const support::TestCertificate root("root");
  static const support::TestCertificate own = root.Issue({.subject = "own"});
  const std::string path = directory.path() / name;
  support::WriteFile(path, own.pem() + own.key_pem() + root.pem());
  return path;
}

std::vector<OptionCase> BothHave(Program program, const std::string& metrics_port,
                                 const std::string& health_port, const std::string& grpc) {
  return {
      {program, "--log-level", "LOG_LEVEL", "info", "debug", "warn", "error", "loud"},
      {program, "--log-format", "LOG_FORMAT", "auto", "json", "text", "json", "xml"},
      {program, "--bind-address", "BIND_ADDRESS", "0.0.0.0", "127.0.0.1", "127.0.0.2", "127.0.0.3",
       "localhost"},
      {program, "--metrics-port", "METRICS_PORT", metrics_port, "1", "2", "3", "65536"},
      {program, "--health-port", "HEALTH_PORT", health_port, "1", "2", "3", "-1"},
      {program, "--shutdown-timeout", "SHUTDOWN_TIMEOUT_SECONDS", "30s", "1s", "1m30s", "500ms",
       "soon"},
      {program, "--grpc-listen", "GRPC_LISTEN", grpc, "127.0.0.1:1", "unix:/tmp/s", "127.0.0.1:3",
       "0.0.0.0:50051"},
      {program, "--grpc-insecure", "GRPC_INSECURE", "false", "true", "false", "true", "maybe"},
      {program, "--grpc-tls-cert", "GRPC_TLS_CERT", "\"\"", TlsFile("a"), TlsFile("b"),
       TlsFile("c"), "/no/such/certificate"},
      {program, "--grpc-tls-key", "GRPC_TLS_KEY", "\"\"", TlsFile("a"), TlsFile("b"), TlsFile("c"),
       "/no/such/key"},
      {program, "--grpc-tls-ca", "GRPC_TLS_CA", "\"\"", TlsFile("a"), TlsFile("b"), TlsFile("c"),
       "/no/such/authorities"},
      {program, "--grpc-token-file", "GRPC_TOKEN_FILE", "\"\"", "/proc/sys/kernel/ostype",
       "/proc/sys/kernel/osrelease", "/proc/sys/kernel/hostname", "/no/such/token"},
  };
}

std::vector<OptionCase> IngestOptions() {
  constexpr Program kIngest = Program::kIngest;
  std::vector<OptionCase> options = {
      {kIngest, "--mcp-endpoint", "K8S_CLUSTER_MCP_ENDPOINT", "REQUIRED", "http://a:1/mcp",
       "http://b:1/mcp", "https://c:1/mcp", "ftp://d/mcp"},
      {kIngest, "--cluster-name", "CLUSTER_NAME", "default", "a", "b", "c", "Not_A_Label"},
      {kIngest, "--mcp-mode", "MCP_MODE", "auto", "faults", "events", "poll", "push"},
      {kIngest, "--mcp-transport", "MCP_TRANSPORT", "auto", "sse", "streamable-http", "sse", "ws"},
      {kIngest, "--mcp-token-file", "MCP_TOKEN_FILE", "\"\"", "/proc/sys/kernel/ostype",
       "/proc/sys/kernel/osrelease", "/proc/sys/kernel/hostname", "/no/such/token"},
      {kIngest, "--poll-interval", "POLL_INTERVAL_SECONDS", "30s", "1s", "2s", "3s", "0"},
      {kIngest, "--list-timeout", "LIST_TIMEOUT_SECONDS", "1m", "1s", "2s", "3s", "0"},
      {kIngest, "--backfill", "BACKFILL", "true", "false", "true", "false", "perhaps"},
      {kIngest, "--sse-reconnect-initial-delay", "SSE_RECONNECT_INITIAL_DELAY_SECONDS", "1s", "2s",
       "3s", "4s", "1h"},
      {kIngest, "--sse-reconnect-max-delay", "SSE_RECONNECT_MAX_DELAY_SECONDS", "1m", "2m", "3m",
       "4m", "100ms"},
      {kIngest, "--sse-ping-interval", "SSE_PING_INTERVAL_SECONDS", "30s", "1s", "2s", "3s", "x"},
      {kIngest, "--sse-idle-timeout", "SSE_IDLE_TIMEOUT_SECONDS", "1m30s", "1s", "2s", "3s", "0"},
      {kIngest, "--sse-max-stream-age", "SSE_MAX_STREAM_AGE_SECONDS", "30m", "1m", "2m", "0s",
       "-1"},
      {kIngest, "--severity-threshold", "SEVERITY_THRESHOLD", "warning", "info", "error",
       "critical", "grave"},
      {kIngest, "--dedup-window", "DEDUP_WINDOW_SECONDS", "5m", "1m", "2m", "0s", "5h"},
      {kIngest, "--dedup-window-max", "DEDUP_WINDOW_MAX_SECONDS", "4h", "1h", "2h", "3h", "1s"},
      {kIngest, "--dedup-key", "DEDUP_KEY", "resource", "fault", "resource", "fault", "name"},
      {kIngest, "--max-queue-age", "MAX_QUEUE_AGE_SECONDS", "10m", "1m", "2m", "3m", "0"},
      {kIngest, "--queue-sweep-interval", "QUEUE_SWEEP_INTERVAL_SECONDS", "1m", "1s", "2s", "3s",
       "0"},
      {kIngest, "--cluster-queue-size", "CLUSTER_QUEUE_SIZE", "100", "1", "2", "3", "0"},
      {kIngest, "--global-queue-size", "GLOBAL_QUEUE_SIZE", "1000", "1", "2", "3", "0x10"},
      {kIngest, "--queue-overflow-policy", "QUEUE_OVERFLOW_POLICY", "drop-oldest", "reject-newest",
       "drop-oldest", "reject-newest", "drop-newest"},
      {kIngest, "--max-concurrent-agents", "MAX_CONCURRENT_AGENTS", "5", "1", "2", "3", "0"},
      {kIngest, "--max-agents-per-cluster", "MAX_AGENTS_PER_CLUSTER", "1", "2", "3", "4", "-1"},
      {kIngest, "--max-runs-per-hour", "MAX_RUNS_PER_HOUR", "0", "1", "2", "3", "1.5"},
      {kIngest, "--max-attempts", "MAX_ATTEMPTS", "3", "1", "2", "4", "0"},
      {kIngest, "--lease-ttl", "LEASE_TTL_SECONDS", "1m", "1s", "2s", "3s", "0"},
      {kIngest, "--circuit-breaker-threshold", "CIRCUIT_BREAKER_THRESHOLD", "3", "0", "1", "2",
       "many"},
      {kIngest, "--circuit-breaker-cooldown", "CIRCUIT_BREAKER_COOLDOWN_SECONDS", "1m", "1s", "2s",
       "3s", "0"},
      {kIngest, "--circuit-breaker-policy", "CIRCUIT_BREAKER_POLICY", "drop", "hold", "drop",
       "hold", "keep"},
      {kIngest, "--metrics-per-cluster", "METRICS_PER_CLUSTER", "true", "false", "true", "false",
       "each"},
  };
  const auto both = BothHave(kIngest, "9090", "8080", "127.0.0.1:50051");
  options.insert(options.end(), both.begin(), both.end());
  return options;
}

std::vector<OptionCase> ExecutorOptions() {
  constexpr Program kExecutor = Program::kExecutor;
  std::vector<OptionCase> options = {
      {kExecutor, "--ingest-address", "INGEST_ADDRESS", "127.0.0.1:50051", "a:1", "b:2",
       "unix:/tmp/s", "nowhere"},
      {kExecutor, "--slots", "EXECUTOR_SLOTS", "5", "1", "2", "3", "1001"},
      {kExecutor, "--executor-id", "EXECUTOR_ID", "HOSTNAME", "a", "b", "c", std::string(254, 'x')},
      {kExecutor, "--sidecar", "EXECUTOR_SIDECAR", "true", "true", "false", "true", "both"},
      {kExecutor, "--agent-command", "AGENT_COMMAND", "REQUIRED", "true", "cat -n", "sh -c x",
       "no-such-program"},
      {kExecutor, "--agent-timeout", "AGENT_TIMEOUT_SECONDS", "5m", "1s", "2s", "3s", "0"},
      {kExecutor, "--agent-timeout", "AGENT_TIMEOUT", "5m", "1s", "2s", "3s", "0"},
      {kExecutor, "--agent-kill-grace", "AGENT_KILL_GRACE_SECONDS", "5s", "1s", "2s", "0s", "2h"},
      {kExecutor, "--agent-max-output", "AGENT_MAX_OUTPUT_BYTES", "10485760", "1", "2", "3", "1XB"},
      {kExecutor, "--agent-stdin", "AGENT_STDIN", "incident", "\"null\"", "incident", "\"null\"",
       "tty"},
      {kExecutor, "--agent-env", "AGENT_ENV", "[]", "[A=***]", "[B=***]", "[C=***]", "=value"},
      {kExecutor, "--agent-memory-limit", "AGENT_MEMORY_LIMIT_BYTES", "0", "1", "2", "3", "-1"},
      {kExecutor, "--agent-workspace-limit", "AGENT_WORKSPACE_LIMIT_BYTES", "0", "1", "2", "3",
       "all"},
      {kExecutor, "--report-file", "REPORT_FILE", "\"\"", "a.md", "output/b.md", "c.md", "../d.md"},
      {kExecutor, "--report-min-bytes", "REPORT_MIN_BYTES", "100", "1", "2", "3", "few"},
      {kExecutor, "--workspace-root", "WORKSPACE_ROOT", "./incidents", "/a", "/b", "/c"},
      {kExecutor, "--workspace-max-age", "WORKSPACE_MAX_AGE_SECONDS", "7d", "1d", "2d", "0s",
       "old"},
      {kExecutor, "--workspace-max-bytes", "WORKSPACE_MAX_BYTES", "5368709120", "1", "2", "0",
       "1.5.5"},
      {kExecutor, "--kubeconfig-dir", "KUBECONFIG_DIR", "\"\"", "/tmp", "/usr", "/etc",
       "/no/such/directory"},
      {kExecutor, "--kubeconfig-optional", "KUBECONFIG_OPTIONAL", "false", "true", "false", "true",
       "maybe"},
  };
  const auto both = BothHave(kExecutor, "9091", "8081", "127.0.0.1:50052");
  options.insert(options.end(), both.begin(), both.end());
  return options;
}

// A table, with what it fills.
struct Tables {
  explicit Tables(const EnvironmentLookup& environment)
      : of_executor(executor::MakeConfigTable(&executor, environment)) {}

  ConfigTable& Of(Program program) { return program == Program::kIngest ? of_ingest : of_executor; }

  ingest::IngestConfig ingest;
  executor::ExecutorConfig executor;
  ConfigTable of_ingest = ingest::MakeConfigTable(&ingest);
  ConfigTable of_executor;
};

// As a file, a variable or a flag takes what is shown.
std::string Plain(std::string shown) {
  std::erase_if(shown, [](char c) { return c == '"' || c == '[' || c == ']'; });
  return shown;
}

class OptionTest : public ConfigFixture, public ::testing::WithParamInterface<OptionCase> {
 protected:
  // With what the program, or the option when it is set, cannot do without.
  std::vector<std::string> Needed(bool set) const {
    std::vector<std::string> needed;
    const bool of_tls = option_.flag.starts_with("--grpc-tls-");
    for (const char* flag : {"--grpc-tls-cert", "--grpc-tls-key", "--grpc-tls-ca"}) {
      if (set && of_tls && option_.flag != flag) needed.push_back(flag + ("=" + TlsFile("other")));
    }
    if (option_.flag == "--mcp-endpoint" || option_.flag == "--agent-command") return needed;
    needed.emplace_back(option_.program == Program::kIngest ? "--mcp-endpoint=http://base:1/mcp"
                                                            : "--agent-command=sh");
    return needed;
  }
  // With the option from somewhere, unless nothing was done to set it.
  ParseResult Run(std::vector<std::string> arguments = {}) {
    const auto needed =
        Needed(!arguments.empty() || environment_.contains(option_.environment) || in_file_);
    arguments.insert(arguments.end(), needed.begin(), needed.end());
    tables_ = std::make_unique<Tables>(Environment());
    return Parse(tables_->Of(option_.program), std::move(arguments));
  }
  // The line of --print-config.
  std::string Shown(std::vector<std::string> arguments = {}) {
    const ParseResult result = Run(std::move(arguments));
    EXPECT_THAT(result.problems, IsEmpty());
    std::istringstream lines(tables_->Of(option_.program).Yaml());
    const std::string key = KeyOf(option_.flag) + ": ";
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(key)) return line.substr(key.size());
      if (line.starts_with("# " + key)) return line;
    }
    return "not shown";
  }
  void InFile(const std::string& value) {
    WriteConfig(KeyOf(option_.flag) + ": \"" + value + "\"\n");
    in_file_ = true;
  }

  const OptionCase option_ = GetParam();
  bool in_file_ = false;
  std::unique_ptr<Tables> tables_;
};

TEST_P(OptionTest, AFlagGoesBeforeTheEnvironmentBeforeTheFileBeforeTheDefault) {
  WriteConfig("");
  if (option_.shown_default == "REQUIRED") {
    EXPECT_THAT(Run().problems, Contains(HasSubstr(option_.flag)));
  } else if (option_.shown_default != "HOSTNAME") {
    EXPECT_EQ(Shown(), option_.shown_default);
  }
  InFile(Plain(option_.of_file));
  EXPECT_EQ(Shown(), option_.of_file);
  environment_[option_.environment] = Plain(option_.of_environment);
  EXPECT_EQ(Shown(), option_.of_environment);
  EXPECT_EQ(Shown({option_.flag + "=" + Plain(option_.of_flag)}), option_.of_flag);
}

TEST_P(OptionTest, ABadValueIsToldWithItsNameAndWhatIsAllowed) {
  WriteConfig("");
  if (option_.bad.empty()) return;  // every text will do
  const auto expect_told = [&](const ParseResult& result, const std::string& name) {
    EXPECT_EQ(result.exit_code, 78);
    ASSERT_EQ(result.problems.size(), 1u) << name;
    // What does not go with another option is told by its flag.
    const std::string& told = result.problems[0];
    EXPECT_TRUE(told.find(name) != std::string::npos ||
                told.find(option_.flag) != std::string::npos)
        << told;
  };
  expect_told(Run({option_.flag + "=" + option_.bad}), option_.flag);
  environment_[option_.environment] = option_.bad;
  expect_told(Run(), option_.environment);
  environment_.erase(option_.environment);
  InFile(option_.bad);
  expect_told(Run(), KeyOf(option_.flag));
}

INSTANTIATE_TEST_SUITE_P(Ingest, OptionTest, ::testing::ValuesIn(IngestOptions()),
                         [](const auto& test) { return NameOf(test.param); });
INSTANTIATE_TEST_SUITE_P(Executor, OptionTest, ::testing::ValuesIn(ExecutorOptions()),
                         [](const auto& test) { return NameOf(test.param); });

class TablesTest : public ConfigFixture {
 protected:
  static std::string Page() {
    std::ifstream file(kPath);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // What the page must have of a program.
  static std::string Section(const std::string& program, const ConfigTable& table) {
    return "<!-- options of " + program + " -->\n" + table.Markdown() + "<!-- end -->\n";
  }
  // Writes it there, where RUNNER_UPDATE_DOCS asks for it.
  static void Update(const std::string& program, const std::string& section) {
    if (std::getenv("RUNNER_UPDATE_DOCS") == nullptr) return;
    std::string page = Page();
    const auto begin = page.find("<!-- options of " + program + " -->\n");
    const std::string kEnd = "<!-- end -->\n";
    const auto end = page.find(kEnd, begin);
    ASSERT_NE(end, std::string::npos);
    std::ofstream(kPath) << page.replace(begin, end + kEnd.size() - begin, section);
  }

  static constexpr const char* kPath = RUNNER_SOURCE_DIR "/docs/configuration.md";
};

TEST_F(TablesTest, EveryOptionIsTestedHere) {
  Tables tables(Environment());
  for (const Program program : {Program::kIngest, Program::kExecutor}) {
    std::set<std::string> tested;
    for (const OptionCase& option :
         program == Program::kIngest ? IngestOptions() : ExecutorOptions()) {
      tested.insert(KeyOf(option.flag));
    }
    auto keys = tables.Of(program).FileKeys();
    std::erase(keys, "clusters");  // a block: config_file_test.cc
    EXPECT_THAT(tested, UnorderedElementsAreArray(keys));
  }
}

TEST_F(TablesTest, ThePageOfTheDocumentationIsUpToDate) {
  // The host name is no part of the page.
  Tables tables(Environment());
  for (const auto& [program, table] : {std::pair("runner-ingest", &tables.of_ingest),
                                       std::pair("runner-executor", &tables.of_executor)}) {
    const std::string section = Section(program, *table);
    Update(program, section);
    EXPECT_NE(Page().find(section), std::string::npos)
        << kPath << " is stale; RUNNER_UPDATE_DOCS=1 with this test writes it. It must have:\n"
        << section;
  }
}

// The part of --help that describes one option.
std::string HelpOf(const std::string& help, const std::string& flag) {
  const auto begin = help.find("\n  " + flag) + 1;
  std::size_t end = help.find('\n', begin) + 1;
  while (help.compare(end, 6, "      ") == 0) end = help.find('\n', end) + 1;
  std::string part = help.substr(begin, end - begin);
  // Lines are wrapped anywhere.
  for (std::size_t at; (at = part.find("\n      ")) != std::string::npos;) part.replace(at, 7, " ");
  return part;
}

TEST_F(TablesTest, HelpShowsGroupValuesDefaultAndVariablesOfEveryOption) {
  Tables tables(Environment());
  for (const Program program : {Program::kIngest, Program::kExecutor}) {
    const std::string help = tables.Of(program).Help();
    for (const Option& option : tables.Of(program).options()) {
      const OptionSpec& spec = option.spec;
      SCOPED_TRACE(spec.flag);
      EXPECT_FALSE(spec.help.empty());
      ASSERT_FALSE(spec.group.empty());
      EXPECT_THAT(help, HasSubstr("\n" + spec.group + ":\n"));
      const std::string part = HelpOf(help, spec.flag + (option.is_switch() ? "" : " "));
      EXPECT_THAT(part, HasSubstr(spec.help));
      EXPECT_THAT(part, HasSubstr(option.Range()));
      if (!ShownDefault(spec).empty()) {
        EXPECT_THAT(part, HasSubstr("(default: " + ShownDefault(spec) + ")"));
      }
      for (const std::string& name : spec.env) EXPECT_THAT(part, HasSubstr(name));
    }
  }
}

TEST_F(TablesTest, HelpListsEveryWordThatIsAccepted) {
  Tables tables(Environment());
  int lists = 0;
  for (const Program program : {Program::kIngest, Program::kExecutor}) {
    const std::string help = tables.Of(program).Help();
    for (const Option& option : tables.Of(program).options()) {
      if (!option.allowed.starts_with("one of ")) continue;
      ++lists;
      const std::string part = HelpOf(help, option.spec.flag + " ");
      const auto at = part.find(" one of ");
      ASSERT_NE(at, std::string::npos) << part;
      const std::string words = part.substr(at + 8, part.find("; env: ") - at - 8);
      EXPECT_THAT(SplitList(words), Not(IsEmpty()));
      for (const std::string& word : SplitList(words)) {
        EXPECT_TRUE(option.assign(word)) << option.spec.flag << ' ' << word;
      }
    }
  }
  EXPECT_EQ(lists, 11);
}

TEST_F(TablesTest, HelpFitsOneHundredColumns) {
  Tables tables(Environment());
  for (const Program program : {Program::kIngest, Program::kExecutor}) {
    std::istringstream lines(tables.Of(program).Help());
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
  }
}

TEST_F(TablesTest, AKubeconfigDirectoryMustBeOneUnlessItIsOptional) {
  WriteConfig("");
  const auto problems = [this](std::vector<std::string> arguments) {
    arguments.emplace_back("--agent-command=sh");
    Tables tables(Environment());
    return Parse(tables.of_executor, std::move(arguments)).problems;
  };
  for (const std::string not_one : {"/no/such/directory", "/etc/passwd"}) {
    EXPECT_THAT(
        problems({"--kubeconfig-dir=" + not_one}),
        ElementsAre("--kubeconfig-dir: \"" + not_one +
                    "\" is not a directory; expected a directory of <cluster>.yaml files, or "
                    "--kubeconfig-optional"));
    EXPECT_THAT(problems({"--kubeconfig-dir=" + not_one, "--kubeconfig-optional"}), IsEmpty());
  }
  EXPECT_THAT(problems({}), IsEmpty());
}

TEST_F(TablesTest, WhatIsPrintedIsAConfigurationThatSaysTheSame) {
  WriteConfig(
      "agent_command: sh -c 'exit 0'\nagent_env: [PATH, KEY=hunter2]\nsidecar: true\n"
      "dedup_window: 90\nclusters:\n"
      "  - {name: a, endpoint: 'http://a:1/mcp?key=hunter2', headers: {X-Key: hunter2}}\n"
      "  - {name: b, endpoint: 'http://b:1/mcp', mode: poll, triage: false,\n"
      "     namespaces: {deny: ['kube-*', 'true', '~']}}\n");
  for (const Program program : {Program::kIngest, Program::kExecutor}) {
    Tables first(Environment());
    const ParseResult printed = Parse(first.Of(program), {"--print-config"});
    ASSERT_THAT(printed.problems, IsEmpty());
    EXPECT_EQ(printed.exit_code, 0);
    EXPECT_EQ(printed.text.find("hunter2"), std::string::npos) << printed.text;
    const std::string before = path_ + ".printed";
    std::ofstream(before) << printed.text;
    Tables second(Environment());
    const ParseResult again = Parse(second.Of(program), {"--config", before, "--print-config"});
    EXPECT_THAT(again.problems, IsEmpty());
    EXPECT_EQ(again.text, printed.text);
    std::filesystem::remove(before);
  }
}

TEST_F(TablesTest, TheClusterOfTheOptionsIsPrintedAsThem) {
  WriteConfig("");
  Tables tables(Environment());
  const auto printed = Parse(tables.of_ingest, {"--mcp-endpoint=http://a:1/mcp", "--print-config"});
  EXPECT_THAT(printed.text, HasSubstr("mcp_endpoint: http://a:1/mcp\n"));
  EXPECT_EQ(printed.text.find("clusters:"), std::string::npos);
}

}  // namespace
}  // namespace runner
