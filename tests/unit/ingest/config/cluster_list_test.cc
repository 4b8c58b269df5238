// How the MCP servers are reached and listened to: options, and keys of the clusters.

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/config/config.h"
#include "tests/support/config_fixture.h"

namespace runner::ingest {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::StartsWith;

class ClusterListTest : public ConfigFixture {
 protected:
  ClusterListTest() {
    fs::create_directories(directory_);
    Write("token", "from-the-file\n");
    Write("other", "another\n");
    Write("pem", "-----BEGIN CERTIFICATE-----\n-----BEGIN RSA PRIVATE KEY-----\n");
  }
  ~ClusterListTest() override { fs::remove_all(directory_); }

  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name) << text;
    return directory_ / name;
  }
  std::string File(const std::string& name) const { return directory_ / name; }
  std::vector<std::string> Problems(std::vector<std::string> arguments = {}) {
    config_ = {};
    ConfigTable table = MakeConfigTable(&config_);
    return Parse(table, std::move(arguments)).problems;
  }
  // What is wrong with one cluster that has these keys besides its name.
  std::vector<std::string> ProblemsOf(const std::string& keys,
                                      const std::string& endpoint = "https://a:1/mcp") {
    WriteConfig("clusters:\n  - {name: a, endpoint: \"" + endpoint + "\", " + keys + "}\n");
    return Problems();
  }
  // The one connection when only options speak.
  ConnectionOptions Only(std::vector<std::string> arguments) {
    environment_.erase("CONFIG_FILE");
    arguments.insert(arguments.end(), {"--mcp-endpoint", "http://a:1/mcp"});
    EXPECT_THAT(Problems(std::move(arguments)), IsEmpty());
    EXPECT_THAT(config_.Connections(), SizeIs(1));
    return config_.Connections().at(0);
  }

  const fs::path directory_ = path_ + ".d";
  IngestConfig config_;
};

TEST_F(ClusterListTest, Defaults) {
  const ConnectionOptions one = Only({});
  EXPECT_EQ(one.mode, SourceMode::kAuto);
  EXPECT_EQ(one.transport, Transport::kAuto);
  EXPECT_EQ(one.token_file, "");
  EXPECT_EQ(one.poll_interval, seconds(30));
  EXPECT_TRUE(one.backfill);
  EXPECT_EQ(one.ping_interval, seconds(30));
  EXPECT_EQ(one.idle_timeout, seconds(90));
  EXPECT_EQ(one.max_stream_age, seconds(1800));
  EXPECT_EQ(one.initial_delay, seconds(1));
  EXPECT_EQ(one.max_delay, seconds(60));
  EXPECT_EQ(one.request_timeout, seconds(10));
}

TEST_F(ClusterListTest, OptionsOfOneCluster) {
  const ConnectionOptions one =
      Only({"--mcp-mode", "poll", "--mcp-transport", "sse", "--mcp-token-file", File("token"),
            "--poll-interval", "5", "--backfill=false", "--sse-idle-timeout", "1m",
            "--sse-max-stream-age", "500ms", "--sse-ping-interval", "7"});
  EXPECT_EQ(one.mode, SourceMode::kPoll);
  EXPECT_EQ(one.transport, Transport::kSse);
  EXPECT_EQ(one.token_file, File("token"));
  EXPECT_EQ(one.poll_interval, seconds(5));
  EXPECT_FALSE(one.backfill);
  EXPECT_EQ(one.idle_timeout, seconds(60));
  EXPECT_EQ(one.max_stream_age, milliseconds(500));
  EXPECT_EQ(one.ping_interval, seconds(7));
}

TEST_F(ClusterListTest, TheSameFromTheEnvironment) {
  environment_ = {{"MCP_MODE", "events"},
                  {"MCP_TRANSPORT", "streamable-http"},
                  {"MCP_TOKEN_FILE", File("token")},
                  {"POLL_INTERVAL_SECONDS", "6"},
                  {"BACKFILL", "no"},
                  {"SSE_IDLE_TIMEOUT_SECONDS", "8"},
                  {"SSE_MAX_STREAM_AGE_SECONDS", "9"}};
  const ConnectionOptions one = Only({});
  EXPECT_EQ(one.mode, SourceMode::kEvents);
  EXPECT_EQ(one.transport, Transport::kStreamableHttp);
  EXPECT_EQ(one.token_file, File("token"));
  EXPECT_EQ(one.poll_interval, seconds(6));
  EXPECT_FALSE(one.backfill);
  EXPECT_EQ(one.idle_timeout, seconds(8));
  EXPECT_EQ(one.max_stream_age, seconds(9));
}

TEST_F(ClusterListTest, ValuesThatAreNotAllowed) {
  environment_.erase("CONFIG_FILE");
  EXPECT_THAT(Problems({"--mcp-endpoint", "http://a:1", "--mcp-mode", "push", "--mcp-transport",
                        "stdio", "--poll-interval", "0", "--backfill=maybe", "--sse-idle-timeout",
                        "-1", "--sse-max-stream-age", "10000d"}),
              ElementsAre(HasSubstr("--mcp-mode"), HasSubstr("--mcp-transport"),
                          HasSubstr("--sse-idle-timeout"), HasSubstr("--sse-max-stream-age"),
                          HasSubstr("--poll-interval"), HasSubstr("--backfill")));
}

TEST_F(ClusterListTest, TheTokenFileOfTheOptionsMustHoldAToken) {
  environment_.erase("CONFIG_FILE");
  const auto problems = [&](const std::string& file) {
    return Problems({"--mcp-endpoint", "http://a:1", "--mcp-token-file", file});
  };
  EXPECT_THAT(problems(File("missing")),
              ElementsAre(AllOf(StartsWith("--mcp-token-file: "), HasSubstr("No such file"))));
  EXPECT_THAT(problems(directory_), ElementsAre(HasSubstr("not a regular file")));
  EXPECT_THAT(problems(Write("bad", "two\nsecrets\n")),
              ElementsAre(AllOf(HasSubstr("control"), Not(HasSubstr("secrets")))));
}

TEST_F(ClusterListTest, KeysOfAClusterGoBeforeTheOptions) {
  WriteConfig("mcp_mode: events\nmcp_transport: sse\nmcp_token_file: " + File("token") + R"(
clusters:
  - name: as-all
    endpoint: http://a:1/mcp
  - name: own
    endpoint: https://b:1/mcp
    mode: faults
    transport: streamable-http
    token_file: )" +
              File("other") + "\n    ca_file: " + File("pem") + "\n    client_cert_file: " +
              File("pem") + "\n    client_key_file: " + File("pem") + R"(
    headers: {X-Team: sre, X-Number: 5}
  - {name: none, endpoint: "http://c:1/mcp", token_file: ""}
  - {name: header, endpoint: "http://c:1/mcp", headers: {authorization: Basic abc}}
)");
  ASSERT_THAT(Problems(), IsEmpty());
  const auto all = config_.Connections();
  ASSERT_THAT(all, SizeIs(4));
  EXPECT_EQ(all[0].mode, SourceMode::kEvents);
  EXPECT_EQ(all[0].transport, Transport::kSse);
  EXPECT_EQ(all[0].token_file, File("token"));
  EXPECT_EQ(all[1].cluster, "own");
  EXPECT_EQ(all[1].endpoint, "https://b:1/mcp");
  EXPECT_EQ(all[1].mode, SourceMode::kFaults);
  EXPECT_EQ(all[1].transport, Transport::kStreamableHttp);
  EXPECT_EQ(all[1].token_file, File("other"));
  EXPECT_EQ(all[1].tls.ca, File("pem"));
  EXPECT_EQ(all[1].tls.certificate, File("pem"));
  EXPECT_EQ(all[1].tls.key, File("pem"));
  EXPECT_THAT(all[1].headers, ElementsAre(Pair("X-Team", "sre"), Pair("X-Number", "5")));
  EXPECT_EQ(all[2].token_file, "") << "said so";
  EXPECT_EQ(all[3].token_file, "") << "it brings its own";
}

TEST_F(ClusterListTest, WordsThatAreNotAllowed) {
  EXPECT_THAT(
      ProblemsOf("mode: push, transport: [sse]"),
      ElementsAre(AllOf(StartsWith(Place(2)),
                        HasSubstr("mode: invalid value \"push\"; expected one of auto, faults")),
                  HasSubstr("transport: not a single value, or too long; expected one value"),
                  HasSubstr("; expected one of auto, streamable-http, sse")));
  EXPECT_THAT(ProblemsOf("token_fil: x"), ElementsAre(HasSubstr("did you mean token_file?")));
}

TEST_F(ClusterListTest, FilesMustBeReadable) {
  EXPECT_THAT(ProblemsOf("token_file: " + File("missing")),
              ElementsAre(AllOf(StartsWith(Place(2)), HasSubstr("token_file: "),
                                HasSubstr("No such file"))));
  EXPECT_THAT(ProblemsOf("ca_file: " + File("missing")),
              ElementsAre(AllOf(HasSubstr("ca_file: "), HasSubstr("cannot be read"))));
  EXPECT_THAT(ProblemsOf("ca_file: " + directory_.string()),
              ElementsAre(HasSubstr("not a regular file")));
  const std::string text = Write("text", "-----BEGIN NONSENSE-----\n");
  EXPECT_THAT(ProblemsOf("ca_file: " + text),
              ElementsAre(HasSubstr("contains no CERTIFICATE; expected a PEM file")));
  EXPECT_THAT(ProblemsOf("client_cert_file: " + File("pem") + ", client_key_file: " + text),
              ElementsAre(HasSubstr("contains no PRIVATE KEY; expected a PEM file")));
  EXPECT_THAT(ProblemsOf("client_cert_file: /x, client_key_file: /y"),
              ElementsAre(HasSubstr("client_cert_file: "), HasSubstr("client_key_file: ")));
}

TEST_F(ClusterListTest, WhatDoesNotGoTogether) {
  EXPECT_THAT(ProblemsOf("client_cert_file: " + File("pem")),
              ElementsAre(HasSubstr("client_cert_file, client_key_file: only one of them is set")));
  EXPECT_THAT(ProblemsOf("ca_file: " + File("pem"), "http://a:1/mcp"),
              ElementsAre(HasSubstr("the endpoint is not an https URL")));
  EXPECT_THAT(
      ProblemsOf("token_file: " + File("token") + ", headers: {Authorization: Basic secret}"),
      ElementsAre(AllOf(HasSubstr("Authorization"), Not(HasSubstr("secret")))));
}

TEST_F(ClusterListTest, HeadersThatAreNotAllowed) {
  for (const char* reserved : {"Mcp-Session-Id", "content-length", "HOST", "Content-Type", "Accept",
                               "Accept-Encoding", "Connection", "Transfer-Encoding"}) {
    EXPECT_THAT(ProblemsOf(std::string("headers: {") + reserved + ": x}"),
                ElementsAre(AllOf(StartsWith(Place(2)), HasSubstr(reserved))));
  }
  EXPECT_THAT(ProblemsOf("headers: {\"X Team\": secret}"),
              ElementsAre(AllOf(HasSubstr("not a header name"), Not(HasSubstr("secret")))));
  EXPECT_THAT(ProblemsOf("headers: {\"\": secret}"), ElementsAre(HasSubstr("not a header name")));
  EXPECT_THAT(ProblemsOf(R"(headers: {X-A: "secret\r\nX-B: 1"})"),
              ElementsAre(AllOf(HasSubstr("control character"), Not(HasSubstr("secret")))));
  EXPECT_THAT(ProblemsOf(R"(headers: {X-A: "nul\0"})"), ElementsAre(HasSubstr("control")));
  EXPECT_THAT(ProblemsOf("headers: {X-A: \"\"}"), ElementsAre(HasSubstr("has no value")));
  EXPECT_THAT(ProblemsOf("headers: {X-A: 1, x-a: 2}"),
              ElementsAre(HasSubstr("duplicate key \"x-a\"")));
  EXPECT_THAT(ProblemsOf("headers: [X-A]"), ElementsAre(HasSubstr("{Name: value, ...}")));
  EXPECT_THAT(ProblemsOf("headers: {X-A: [1]}"), ElementsAre(HasSubstr("{Name: value, ...}")));
}

TEST_F(ClusterListTest, HeadersAreBounded) {
  std::string many;
  for (int i = 0; i < 33; ++i) many += "X-" + std::to_string(i) + ": a, ";
  EXPECT_THAT(ProblemsOf("headers: {" + many + "}"), ElementsAre(HasSubstr("at most 32")));
  EXPECT_THAT(ProblemsOf("headers: {X-A: " + std::string(8 * 1024, 'a') + "}"),
              ElementsAre(HasSubstr("8 KiB")));
  EXPECT_THAT(ProblemsOf("headers: {X-A: " + std::string(8 * 1024 - 3, 'a') + "}"), IsEmpty());
}

TEST_F(ClusterListTest, AliasesDoNotMultiplyHeaders) {
  std::string text = "clusters:\n  - {name: c, endpoint: \"http://a:1\", headers: &h {X-A: " +
                     std::string(8000, 'a') + "}}\n";
  for (int i = 0; i < 5000; ++i) {
    text += "  - {name: c" + std::to_string(i) + ", endpoint: \"http://a:1\", headers: *h}\n";
  }
  WriteConfig(text);
  EXPECT_THAT(Problems(), Contains(HasSubstr("32 MiB")));
}

TEST_F(ClusterListTest, HeadersAndTokensAreNotShown) {
  WriteConfig("mcp_token_file: " + File("token") +
              "\nclusters:\n  - {name: a, endpoint: \"http://a:1\", headers: {X-Key: secret}}\n");
  ConfigTable table = MakeConfigTable(&config_);
  ASSERT_THAT(Parse(table, {}).problems, IsEmpty());
  for (const LogField& field : table.Effective()) {
    if (const auto* text = std::get_if<std::string>(&field.value)) {
      EXPECT_THAT(*text, Not(HasSubstr("secret"))) << field.key;
      EXPECT_THAT(*text, Not(HasSubstr("from-the-file"))) << field.key;
    }
  }
}

}  // namespace
}  // namespace runner::ingest
