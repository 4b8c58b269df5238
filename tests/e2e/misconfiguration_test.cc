// Mistakes of a new user, against the built programs, and the message that each prints. A message
// names what is wrong, with its value, and says what is expected or what to do.
// RUNNER_SHOW_MESSAGES=1 prints all of them.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "common/base/unique_fd.h"
#include "tests/support/child_process.h"
#include "tests/support/eventually.h"
#include "tests/support/log_file.h"
#include "tests/support/service_process.h"
#include "tests/support/temp_dir.h"
#include "tools/faultsim/listener.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr int kConfigError = 78;
constexpr int kCannotStart = 1;

const std::string kIngest = RUNNER_INGEST;
const std::string kExecutor = RUNNER_EXECUTOR;

void Show(const std::string& name, const std::string& message) {
  if (std::getenv("RUNNER_SHOW_MESSAGES") == nullptr) return;
  std::printf("%-34s %s\n", (name + ':').c_str(), message.c_str());
}

// The programs run in a directory of their own, which DIR stands for; TAKEN is a port that another
// program holds.
class MisconfigurationTest : public ::testing::Test {
 protected:
  MisconfigurationTest() : taken_(faultsim::ListenOn("127.0.0.1:0")) {
    const std::string address = faultsim::BoundAddress(taken_.Get());
    taken_port_ = address.substr(address.find(':') + 1);
    WriteFile(directory_.path() / "no-pem", "not a certificate\n");
    WriteFile(directory_.path() / "pem", "-----BEGIN CERTIFICATE-----\n");
    WriteFile(directory_.path() / "two-tokens", "one two\n");
    WriteFile(directory_.path() / "not-executable", "#!/bin/sh\n");
    std::filesystem::create_directory(directory_.path() / "directory");
  }

  std::string Filled(std::string text) const {
    const std::map<std::string, std::string> values = {{"DIR", directory_.path().string()},
                                                       {"TAKEN", taken_port_}};
    for (const auto& [name, value] : values) {
      for (std::size_t at = 0; (at = text.find(name, at)) != std::string::npos;
           at += value.size()) {
        text.replace(at, name.size(), value);
      }
    }
    return text;
  }
  ChildProcess::Command CommandOf(const std::string& program, const Words& arguments,
                                  const Environment& environment) const {
    ChildProcess::Command command;
    command.argv = {program};
    for (const std::string& argument : arguments) command.argv.push_back(Filled(argument));
    for (const auto& [name, value] : environment) command.environment[name] = Filled(value);
    command.directory = directory_.path();
    command.stdout_file = directory_.path() / "out";
    command.stderr_file = directory_.path() / "err";
    return command;
  }

  const TempDir directory_;
  const UniqueFd taken_;
  std::string taken_port_;
};

struct Mistake {
  const char* name;
  std::string program;
  Words arguments;
  Words told;             // in one line, in this order
  std::string file = {};  // config.yaml, if there is one
  Environment environment = {};
  int exit = kConfigError;
};

const std::string kUrl = "; expected a URL such as http://host:8080/mcp";
// The rest of a valid configuration.
const Words kFree = {"--metrics-port=0", "--health-port=0", "--grpc-listen=127.0.0.1:0"};
const Words kSound = {"--mcp-endpoint=http://127.0.0.1:1/mcp"};

Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}
std::string Cluster(const std::string& rest) { return "clusters:\n  - name: prod\n" + rest; }
const std::string kEndpoint = "    endpoint: http://a:8080/mcp\n";

std::vector<Mistake> Mistakes() {
  const Words file = {"--config=config.yaml"};
  const Words agent = {"--agent-command=/bin/true"};
  return {
      {"no endpoint",
       kIngest,
       {},
       {"--mcp-endpoint: is required",
        "; set --mcp-endpoint or "
        "K8S_CLUSTER_MCP_ENDPOINT, or list clusters"}},
      {"empty endpoint", kIngest, {"--mcp-endpoint="}, {"--mcp-endpoint: is required", "; set "}},
      {"no scheme",
       kIngest,
       {"--mcp-endpoint=mcp:8080/mcp"},
       {"--mcp-endpoint: \"mcp:8080/mcp\" has no scheme", kUrl}},
      {"another scheme",
       kIngest,
       {"--mcp-endpoint=ws://mcp:8080/mcp"},
       {"--mcp-endpoint: \"ws://mcp:8080/mcp\" is not a URL of http or https", kUrl}},
      {"no host",
       kIngest,
       {"--mcp-endpoint=http:///mcp"},
       {"--mcp-endpoint: \"http:///mcp\" names no host", kUrl}},
      {"port out of range",
       kIngest,
       {"--mcp-endpoint=http://mcp:99999/mcp"},
       {"--mcp-endpoint: \"http://mcp:99999/mcp\" has no valid port (1 to 65535)", kUrl}},
      {"port 0", kIngest, {"--mcp-endpoint=http://mcp:0/mcp"}, {"has no valid port", kUrl}},
      {"a blank inside",
       kIngest,
       {},
       {"--mcp-endpoint: \"http://mcp :8080/mcp\" holds white space", kUrl},
       {},
       {{"K8S_CLUSTER_MCP_ENDPOINT", "http://mcp :8080/mcp"}}},
      {"two lines in the endpoint",
       kIngest,
       {},
       {"--mcp-endpoint: \"http://a/mcp\\nhttp://b/mcp\" holds white space", kUrl},
       {},
       {{"K8S_CLUSTER_MCP_ENDPOINT", "http://a/mcp\nhttp://b/mcp\n"}}},
      {"endpoint in the file",
       kIngest,
       file,
       {"config.yaml:3: clusters: endpoint: \"http://a:port/mcp\" has no valid port", kUrl},
       Cluster("    endpoint: http://a:port/mcp\n")},
      {"password in the URL",
       kIngest,
       {"--mcp-endpoint=http://me:hidden@mcp/mcp"},
       {"--mcp-endpoint: the URL contains a user name or password", "; expected a token"}},
      {"unknown flag",
       kIngest,
       kSound + Words{"--severty-threshold=warning"},
       {"\"--severty-threshold\": unknown option", "; did you mean --severity-threshold?"}},
      {"flag without a value",
       kIngest,
       {"--mcp-endpoint"},
       {"--mcp-endpoint: missing value", "; expected --mcp-endpoint URL"}},
      {"single dash",
       kIngest,
       {"-mcp-endpoint=http://a/mcp"},
       {"\"-mcp-endpoint\": unknown option", "; did you mean --mcp-endpoint?"}},
      {"misspelt key",
       kIngest,
       file,
       {"config.yaml:4: clusters: \"tokn_file\": unknown key", "; did you mean token_file?"},
       Cluster(kEndpoint + "    tokn_file: /a\n")},
      {"misspelt option in the file",
       kIngest,
       kSound + file,
       {"config.yaml:1: \"pol_interval\": unknown key", "; did you mean poll_interval?"},
       "pol_interval: 30\n"},
      {"tabs in the file",
       kIngest,
       file,
       {"config.yaml:2: is not YAML", "; expected lines of `key: value`, indented with spaces"},
       "clusters:\n\t- name: prod\n"},
      {"file missing",
       kIngest,
       {"--config=/missing/config.yaml"},
       {"/missing/config.yaml: cannot be read: No such file", "; expected a YAML file"}},
      {"file is a directory",
       kIngest,
       {"--config=DIR/directory"},
       {"DIR/directory: cannot be read: not a regular file but a directory",
        "; expected a YAML file"}},
      {"file not a YAML mapping",
       kIngest,
       file,
       {"config.yaml:1: not a YAML mapping", "; expected lines of `key: value`"},
       "- name: prod\n"},
      {"key set twice",
       kIngest,
       file,
       {"config.yaml:4: clusters: duplicate key \"endpoint\"", "; remove one"},
       Cluster(kEndpoint + kEndpoint)},
      {"duplicate cluster",
       kIngest,
       file,
       {"config.yaml:4: clusters: duplicate name \"prod\"", "; expected unique names"},
       Cluster(kEndpoint) + "  - name: prod\n" + kEndpoint},
      {"cluster name with capitals",
       kIngest,
       kSound + Words{"--cluster-name=Prod"},
       {"--cluster-name: \"Prod\" is not a DNS label", "; expected lower-case letters"}},
      {"no name",
       kIngest,
       file,
       {"config.yaml:2: clusters: name is required and not set", "; add it"},
       "clusters:\n  - endpoint: http://a/mcp\n"},
      {"unknown mode",
       kIngest,
       file,
       {"config.yaml:4: clusters: mode: invalid value \"push\"",
        "; expected one of auto, faults, events"},
       Cluster(kEndpoint + "    mode: push\n")},
      {"unknown severity",
       kIngest,
       kSound + Words{"--severity-threshold=fatal"},
       {"--severity-threshold: invalid value \"fatal\"", "; expected one of debug, info, warning"}},
      {"token file missing",
       kIngest,
       kSound + Words{"--mcp-token-file=/missing/token"},
       {"--mcp-token-file: token file /missing/token: No such file",
        "; expected a file with one "
        "token"}},
      {"two words in the token file",
       kIngest,
       kSound + Words{"--mcp-token-file=DIR/two-tokens"},
       {"--mcp-token-file: token file DIR/two-tokens: contains a blank", "; expected one token"}},
      {"CA file missing",
       kIngest,
       file,
       {"config.yaml:4: clusters: ca_file: \"/missing/ca.pem\" cannot be read: No such file",
        "; expected a PEM file (-----BEGIN CERTIFICATE-----)"},
       Cluster("    endpoint: https://a/mcp\n    ca_file: /missing/ca.pem\n")},
      {"CA file without PEM",
       kIngest,
       file,
       {"config.yaml:4: clusters: ca_file: \"no-pem\" contains no CERTIFICATE",
        "; expected a PEM file (-----BEGIN CERTIFICATE-----)"},
       Cluster("    endpoint: https://a/mcp\n    ca_file: no-pem\n")},
      {"CA file for http",
       kIngest,
       file,
       {"the endpoint is not an https URL", "; use an https:// endpoint, or remove them"},
       Cluster(kEndpoint + "    ca_file: pem\n")},
      {"TLS certificate without key",
       kIngest,
       kSound + Words{"--grpc-tls-cert=no-pem"},
       {"--grpc-tls-cert, --grpc-tls-key, --grpc-tls-ca: not all of them are set",
        "; set all three"}},
      {"gRPC beyond loopback",
       kIngest,
       kSound + Words{"--grpc-listen=0.0.0.0:50051"},
       {"--grpc-listen: \"0.0.0.0:50051\" is reachable from other machines without TLS",
        "; expected a loopback address"}},
      {"negative duration",
       kIngest,
       kSound + Words{"--poll-interval=-5"},
       {"--poll-interval: invalid value \"-5\"", "; expected a duration from 100ms to 1d"}},
      {"duration in words",
       kIngest,
       kSound,
       {"POLL_INTERVAL_SECONDS: invalid value \"30 seconds\"", "; expected a duration"},
       {},
       {{"POLL_INTERVAL_SECONDS", "30 seconds"}}},
      {"metrics port out of range",
       kIngest,
       kSound + Words{"--metrics-port=99999"},
       {"--metrics-port: invalid value \"99999\"", "; expected 0 to 65535"}},
      {"one port for two servers",
       kIngest,
       kSound + Words{"--metrics-port=9090", "--health-port=9090"},
       {"--health-port: 9090 is also the port of --metrics-port", "; expected another port"}},
      {"gRPC at the metrics port",
       kIngest,
       kSound + Words{"--grpc-listen=127.0.0.1:9090"},
       {"--grpc-listen: \"127.0.0.1:9090\" has the port of --metrics-port", "; expected another"}},
      {"host name to bind to",
       kIngest,
       kSound + Words{"--bind-address=localhost"},
       {"--bind-address: invalid value \"localhost\"", "; expected an IPv4 or IPv6 address"}},
      {"nonsense as proxy",
       kIngest,
       {"--mcp-endpoint=http://mcp:8080/mcp"},
       {"HTTP_PROXY: \"squid://proxy:3128\" is not the URL of a proxy", "; expected http://host"},
       {},
       {{"HTTP_PROXY", "squid://proxy:3128"}}},
      {"agent program missing",
       kExecutor,
       {"--", "claud", "-p"},
       {"--agent-command: \"claud\": program claud not found on PATH",
        "; expected an executable program"}},
      {"agent program not executable",
       kExecutor,
       {"--agent-command=DIR/not-executable"},
       {"--agent-command: \"DIR/not-executable\": cannot execute", "Permission denied",
        "; expected an executable program"}},
      {"no agent", kExecutor, {}, {"--agent-command: is required and not set", "; set --agent-"}},
      {"agent twice",
       kExecutor,
       agent + Words{"--", "/bin/true"},
       {"--agent-command: set together with -- COMMAND...", "; expected one of them"}},
      {"quote not closed",
       kExecutor,
       {"--agent-command=sh -c 'exit"},
       {"--agent-command: \"sh -c 'exit\": a single quote is not closed", "; expected words"}},
      {"no slots",
       kExecutor,
       agent + Words{"--slots=0"},
       {"--slots: invalid value \"0\"", "; expected an integer from 1 to 1000"}},
      {"variable without a name",
       kExecutor,
       agent + Words{"--agent-env==x"},
       {"--agent-env: a variable has no name", "; expected NAME or NAME=VALUE"}},
      {"ingest address without a port",
       kExecutor,
       agent + Words{"--ingest-address=ingest"},
       {"--ingest-address: invalid value \"ingest\"", "; expected host:port"}},
      {"URL as ingest address",
       kExecutor,
       agent + Words{"--ingest-address=http://ingest:50051"},
       {"--ingest-address: invalid value \"http://ingest:50051\"", "; expected host:port"}},
      {"report outside the workspace",
       kExecutor,
       agent + Words{"--report-file=../report.md"},
       {"--report-file: \"../report.md\" is outside the workspace", "; expected a relative path"}},
      {"workspace root is a file",
       kExecutor,
       agent + Words{"--workspace-root=DIR/no-pem"},
       {"--workspace-root: \"DIR/no-pem\" cannot be used: DIR/no-pem is not a directory",
        "; expected a directory"}},
      {"unknown size",
       kExecutor,
       agent + Words{"--agent-max-output=10 megs"},
       {"--agent-max-output: invalid value \"10 megs\"", "; expected a number of bytes"}},
      {"metrics port taken",
       kIngest,
       kSound + Words{"--bind-address=127.0.0.1", "--metrics-port=TAKEN", "--health-port=0",
                      "--grpc-listen=127.0.0.1:0"},
       {"--metrics-port: cannot listen on 127.0.0.1:TAKEN: Address already in use",
        "; choose another port, or stop the program that holds it"},
       {},
       {},
       kCannotStart},
      {"health port taken",
       kExecutor,
       agent + Words{"--bind-address=127.0.0.1", "--metrics-port=0", "--health-port=TAKEN",
                     "--grpc-listen=127.0.0.1:0"},
       {"--health-port: cannot listen on 127.0.0.1:TAKEN: Address already in use",
        "; choose another port, or stop the program that holds it"},
       {},
       {},
       kCannotStart},
      {"address of another machine",
       kIngest,
       kSound + Words{"--bind-address=192.0.2.1", "--metrics-port=0", "--health-port=0"},
       {"--bind-address: cannot listen on 192.0.2.1:0: Cannot assign requested address",
        "; choose an address of this machine"},
       {},
       {},
       kCannotStart},
      {"gRPC port taken",
       kIngest,
       kSound + Words{"--metrics-port=0", "--health-port=0", "--grpc-listen=127.0.0.1:TAKEN"},
       {"--grpc-listen: cannot listen on 127.0.0.1:TAKEN: Address already in use",
        "; choose another port, or stop the program that holds it"},
       {},
       {},
       kCannotStart},
      {"gRPC at a name that is none",
       kIngest,
       kSound + Words{"--metrics-port=0", "--health-port=0", "--grpc-listen=no.invalid:50051",
                      "--grpc-insecure"},
       {"--grpc-listen: cannot listen on no.invalid:50051: the host does not resolve",
        "; choose an address of this machine"},
       {},
       {},
       kCannotStart},
      {"socket in no directory",
       kIngest,
       kSound + Words{"--metrics-port=0", "--health-port=0", "--grpc-listen=unix:/missing/a.sock"},
       {"--grpc-listen: cannot listen on unix:/missing/a.sock: directory /missing does not exist",
        "; create it, or choose another path"},
       {},
       {},
       kCannotStart},
  };
}

TEST_F(MisconfigurationTest, EachMistakeIsNamedWithItsValueAndWhatToDo) {
  const std::vector<Mistake> mistakes = Mistakes();
  EXPECT_GE(mistakes.size(), 30u);
  for (const Mistake& mistake : mistakes) {
    SCOPED_TRACE(mistake.name);
    if (!mistake.file.empty()) WriteFile(directory_.path() / "config.yaml", mistake.file);
    ChildProcess process(CommandOf(mistake.program, mistake.arguments, mistake.environment));
    EXPECT_EQ(process.WaitForExit(20s), mistake.exit);
    process.Kill();
    const std::string told = ReadFile(directory_.path() / "err");
    std::string line;  // the first problem, behind the heading or the lines of the log
    for (std::size_t at = 0; at < told.size() && line.empty();) {
      const std::size_t end = std::min(told.find('\n', at), told.size());
      const std::string one = told.substr(at, end - at);
      if (!one.starts_with('{') && !one.ends_with(": invalid configuration")) line = one;
      at = end + 1;
    }
    Show(mistake.name, line.substr(std::min(line.find_first_not_of(' '), line.size())));
    std::size_t at = 0;
    for (const std::string& words : mistake.told) {
      const std::size_t found = line.find(Filled(words), at);
      EXPECT_NE(found, std::string::npos) << Filled(words) << "\nis not in, or not in order:\n"
                                          << told;
      if (found != std::string::npos) at = found + Filled(words).size();
    }
    EXPECT_EQ(told.find("hidden"), std::string::npos) << told;
  }
}

// A mounted file often ends in a newline.
TEST_F(MisconfigurationTest, WhiteSpaceAroundAValueIsNoMistake) {
  const Environment blank = {{"K8S_CLUSTER_MCP_ENDPOINT", " http://a:8080/mcp\r\n"},
                             {"CLUSTER_NAME", "prod\n"},
                             {"POLL_INTERVAL_SECONDS", "30\n"},
                             {"MCP_MODE", "poll\n"},
                             {"GRPC_LISTEN", "127.0.0.1:50051\n"},
                             {"METRICS_PORT", "\n"},
                             {"MCP_TOKEN_FILE", "DIR/token\n"}};
  WriteFile(directory_.path() / "token", "one\r\n");
  ChildProcess process(CommandOf(kIngest, {"--print-config"}, blank));
  EXPECT_EQ(process.WaitForExit(20s), 0) << ReadFile(directory_.path() / "err");
  EXPECT_THAT(ReadFile(directory_.path() / "out"),
              testing::AllOf(HasSubstr("mcp_endpoint: http://a:8080/mcp\n"),
                             HasSubstr("cluster_name: prod\n"), HasSubstr("metrics_port: 9090")));

  WriteFile(directory_.path() / "config.yaml",
            "clusters:\n  - name: \"prod \"\n    endpoint: |\n      http://a:8080/mcp\n"
            "    mode: |\n      poll\n    headers: {X-Key: \"abc\\n\"}\n");
  ChildProcess second(CommandOf(kIngest, {"--config=config.yaml", "--print-config"}, {}));
  EXPECT_EQ(second.WaitForExit(20s), 0) << ReadFile(directory_.path() / "err");
  EXPECT_THAT(ReadFile(directory_.path() / "out"), HasSubstr("endpoint: http://a:8080/mcp\n"));
}

// Mistakes that show only once the programs talk to somebody: they go on, and say so in the log.
TEST_F(MisconfigurationTest, WhatOthersAnswerIsNamedWithTheAddressAndWhatToDo) {
  ChildProcess::Command simulator;
  simulator.argv = {RUNNER_FAULTSIM, "--listen", "127.0.0.1:0"};
  simulator.directory = directory_.path();
  simulator.stdout_file = directory_.path() / "simulator.out";
  simulator.stderr_file = directory_.path() / "simulator.err";
  ChildProcess server(simulator);
  const LogFile server_log(simulator.stderr_file);
  std::string address;
  ASSERT_TRUE(Eventually([&] {
    const std::string text = ReadFile(simulator.stdout_file) + ReadFile(simulator.stderr_file);
    const auto at = text.find("127.0.0.1:");
    if (at == std::string::npos) return false;
    address = text.substr(at, text.find_first_not_of("0123456789", at + 10) - at);
    return address.size() > 10;
  }));

  ServiceProcess other("other", kIngest,
                       {"--mcp-endpoint=http://" + address + "/mcp", "--grpc-listen=127.0.0.1:0"},
                       {}, directory_.path());
  const std::string http = "127.0.0.1:" + std::to_string(other.metrics_port());

  const struct {
    const char* name;
    std::string program;
    Words arguments;
    const char* message;
    Words told;
  } kRows[] = {
      {"wrong path",
       kIngest,
       {"--mcp-endpoint=http://" + address + "/"},
       "SSE connection failed, retrying",
       {"POST http://" + address + "/ answers 404",
        "check the port and the path of the endpoint, /mcp for "
        "kubernetes-mcp-server"}},
      {"port of the metrics",
       kIngest,
       {"--mcp-endpoint=http://" + http + "/mcp"},
       "SSE connection failed, retrying",
       {"POST http://" + http + "/mcp answers 404 (not found)",
        "check the port and the path of the endpoint"}},
      {"https to a port for http",
       kIngest,
       {"--mcp-endpoint=https://" + http + "/mcp"},
       "SSE connection failed, retrying",
       {"POST https://" + http + "/mcp: ", "; this port does not speak TLS"}},
      {"nobody at the port",
       kIngest,
       {"--mcp-endpoint=http://127.0.0.1:1/mcp"},
       "SSE connection failed, retrying",
       {"POST http://127.0.0.1:1/mcp: ", "Connection refused", "; check that the server runs"}},
      {"host that does not exist",
       kIngest,
       {"--mcp-endpoint=http://mcp.invalid:8080/mcp"},
       "SSE connection failed, retrying",
       {"POST http://mcp.invalid:8080/mcp: ", "; check the host name of the endpoint"}},
      {"ingest that is not there",
       kExecutor,
       {"--agent-command=/bin/true", "--ingest-address=127.0.0.1:1"},
       "Not attached to ingest, retrying",
       {"--ingest-address 127.0.0.1:1: ", "Connection refused", "; check that runner-ingest runs"}},
      {"HTTP port as ingest address",
       kExecutor,
       {"--agent-command=/bin/true", "--ingest-address=" + address},
       "Not attached to ingest, retrying",
       {"--ingest-address " + address + ": ", "; expected the gRPC address of runner-ingest"}},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.name);
    ChildProcess process(
        CommandOf(row.program, row.arguments + kFree + Words{"--log-format=json"}, {}));
    const LogFile log(directory_.path() / "err");
    ASSERT_TRUE(Eventually([&] { return log.Has(row.message) || !process.Running(); }));
    ASSERT_TRUE(log.Has(row.message)) << ReadFile(directory_.path() / "err");
    const std::string error = log.With(row.message).front().at("error");
    Show(row.name, error);
    for (const std::string& words : row.told) EXPECT_THAT(error, HasSubstr(words));
    process.Terminate();
    EXPECT_EQ(process.WaitForExit(20s), 0);
  }

  // Two executors of one name: the second takes the place of the first, which ends.
  const Words twin = {"--agent-command=/bin/true", "--ingest-address=" + other.grpc(),
                      "--executor-id=twin", "--grpc-listen=127.0.0.1:0"};
  ServiceProcess first("first", kExecutor, twin, {}, directory_.path());
  ASSERT_TRUE(Eventually([&] { return first.log().Has("Attached to ingest"); }));
  ServiceProcess second("second", kExecutor, twin, {}, directory_.path());
  EXPECT_EQ(first.WaitForExit(20s), 1);
  const auto ends = first.log().With("Shutting down after an error");
  ASSERT_FALSE(ends.empty());
  const std::string error = ends.front().at("error");
  Show("executor id twice", error);
  EXPECT_THAT(error, HasSubstr("--executor-id: another executor with the id \"twin\" has attached; "
                               "expected a unique id"));
  server.Kill();
}

}  // namespace
}  // namespace runner
