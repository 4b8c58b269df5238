// The MCP servers of other tests start, answer, and stop without leftovers.

#include <algorithm>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/http_request.h"
#include "tests/support/kubernetes_server.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using ::testing::HasSubstr;

HttpAnswer Initialize(const std::string& endpoint) {
  const nlohmann::json request = {{"jsonrpc", "2.0"},
                                  {"id", 1},
                                  {"method", "initialize"},
                                  {"params",
                                   {{"protocolVersion", "2025-11-25"},
                                    {"capabilities", nlohmann::json::object()},
                                    {"clientInfo", {{"name", "test"}, {"version", "0"}}}}}};
  return HttpPost(
      endpoint, request.dump(),
      {"Content-Type: application/json", "Accept: application/json, text/event-stream"});
}

class McpServersTest : public PeerTest {};

TEST_F(McpServersTest, TheFaultServerTakesFlags) {
  FaultServer& peer = system_->StartPeer({"--token", "secret"});
  EXPECT_EQ(Initialize(peer.endpoint()).status, 401);
  peer.Control("token", {{"token", nullptr}});
  EXPECT_EQ(Initialize(peer.endpoint()).status, 200);
  peer.Restart();
  EXPECT_EQ(Initialize(peer.endpoint()).status, 401);
}

// A version of the released server, and its status for a POST to the path where legacy clients GET.
class KubernetesServerTest : public SystemTest,
                             public ::testing::WithParamInterface<std::pair<std::string, int>> {
 protected:
  void SetUp() override {
    RUNNER_SKIP_IF_MISSING(KubernetesMcpServer::Missing(GetParam().first));
    SystemTest::SetUp();
  }
};

TEST_P(KubernetesServerTest, StartsAndAnswers) {
  const auto& [version, status_of_sse] = GetParam();
  KubernetesApi api(system_->directory());
  api.Add({{"reason", "BackOff"}});
  EXPECT_EQ(api.State().at("events"), 1);
  KubernetesMcpServer server(version, api, system_->directory());
  const HttpAnswer answer = Initialize(server.endpoint());
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr("\"v" + version + "\""));
  EXPECT_EQ(Initialize(server.sse_endpoint()).status, status_of_sse);
  server.Kill();
  EXPECT_EQ(Initialize(server.endpoint()).status, 0);
  server.Restart();
  EXPECT_EQ(Initialize(server.endpoint()).status, 200);
}

INSTANTIATE_TEST_SUITE_P(Version, KubernetesServerTest,
                         ::testing::Values(std::pair("0.0.66", 400), std::pair("0.0.67", 404)),
                         [](const auto& instance) {
                           std::string name = instance.param.first;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

}  // namespace
}  // namespace runner
