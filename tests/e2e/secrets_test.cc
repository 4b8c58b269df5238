// Secrets reach their destination and appear in no output.

#include <array>
#include <cstdio>
#include <string>

#include <gmock/gmock.h>

#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using nlohmann::json;

// Returns the output of a program that exits by itself.
std::string OutputOf(const std::string& command) {
  std::string text;
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return text;
  std::array<char, 4096> part{};
  while (std::size_t read = std::fread(part.data(), 1, part.size(), pipe)) {
    text.append(part.data(), read);
  }
  ::pclose(pipe);
  return text;
}

class SecretsTest : public PeerTest {
 protected:
  void ExpectNone(const std::string& where, const std::string& text) {
    for (const std::string& secret : {kToken, kHeader, kQuery, kVariable}) {
      EXPECT_EQ(text.find(secret), std::string::npos) << secret << " in " << where << ":\n" << text;
    }
  }

  const std::string kToken = "secret-of-the-token";
  const std::string kHeader = "secret-of-the-header";
  const std::string kQuery = "secret-of-the-query";
  const std::string kVariable = "secret-of-the-agent";
};

TEST_F(SecretsTest, NoneAppearsInLogsMetricsConfigurationOrResponses) {
  FaultServer& peer = system_->StartPeer({"--token", kToken});
  const auto token_file = system_->directory() / "token";
  WriteFile(token_file, "wrong-" + kToken);
  const std::string file = "clusters:\n  - {name: prod, endpoint: \"" + peer.endpoint() +
                           "?key=" + kQuery + "\", token_file: " + token_file.string() +
                           ", headers: {X-Key: " + kHeader + "}}\n";
  system_->StartIngestWith(
      file, {"--sse-reconnect-initial-delay", "100ms", "--sse-reconnect-max-delay", "200ms"});
  ASSERT_TRUE(Eventually([&] {
    return system_->ingest().log().Has("SSE connection failed, retrying", {{"reason", "auth"}});
  }));
  std::string answers = system_->Admin().Clusters().front().DebugString();
  WriteFile(token_file, kToken);
  system_->AwaitSubscribed();

  system_->StartExecutor({system_->ScriptAgent("test \"$KEY\" = " + kVariable + "\n")},
                         {"--agent-env", "KEY=" + kVariable});
  system_->AwaitAttached();
  ASSERT_EQ(peer.Push({{"faultId", "f"}}), 1);
  const auto incident = system_->AwaitFinished(1).front();
  EXPECT_EQ(incident.status(), "success") << "the agent has its variable";
  const json requests = peer.State().at("requests");
  EXPECT_NE(requests.dump().find(kToken), std::string::npos) << "the server has the token";

  answers += incident.DebugString() + system_->Admin().Status().DebugString() +
             system_->Admin().Clusters().front().DebugString();
  for (const v1::Run& run : ExecutorClient(system_->executor().grpc()).Runs()) {
    answers += run.DebugString();
  }
  ExpectNone("an answer", answers);
  for (ServiceProcess* service : system_->services()) {
    ExpectNone("the log of " + service->name(), ReadFile(service->log().path()));
    ExpectNone("the metrics of " + service->name(), service->Scrape());
  }
  const std::string ingest = RUNNER_INGEST;
  const std::string executor = RUNNER_EXECUTOR;
  const std::string path = (system_->directory() / "ingest.yaml").string();
  const std::string printed =
      OutputOf(ingest + " --print-config --config " + path) +
      OutputOf(executor + " --print-config --agent-env KEY=" + kVariable + " -- true");
  EXPECT_NE(printed.find("X-Key"), std::string::npos) << printed;
  EXPECT_NE(printed.find("KEY=***"), std::string::npos) << printed;
  ExpectNone("the configuration", printed);
  const std::string complaints =
      OutputOf(executor + " --agent-env =" + kVariable + " -- true") +
      OutputOf(ingest + " --mcp-endpoint \"htps://mcp/mcp?key=" + kQuery + "\"") +
      OutputOf(ingest + " --mcp-endpoint \"http:/user:" + kQuery + "@mcp/mcp\"");
  EXPECT_NE(complaints.find("--agent-env"), std::string::npos);
  EXPECT_NE(complaints.find("htps://mcp/mcp"), std::string::npos) << complaints;
  ExpectNone("the complaints about the configuration", complaints);
}

}  // namespace
}  // namespace runner
