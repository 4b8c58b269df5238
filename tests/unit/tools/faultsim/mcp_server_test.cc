#include "tools/faultsim/mcp_server.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace runner::faultsim {
namespace {

using nlohmann::json;

class FakeStreams final : public Streams {
 public:
  void SendEvent(ConnectionId connection, std::string_view data) override {
    sent[connection].push_back(json::parse(data));
  }
  void EndStream(ConnectionId connection) override { ended.insert(connection); }

  std::map<ConnectionId, std::vector<json>> sent;
  std::set<ConnectionId> ended;
};

class McpServerTest : public testing::Test {
 protected:
  McpServerTest() : server_(streams_, clock_, "simulated") {
    server_.OnAudience([this] { ++audiences_; });
  }

  HttpResponse Send(const std::string& method, const std::string& session,
                    const std::string& body = "", ConnectionId connection = 1) {
    HttpRequest request;
    request.method = method;
    request.path = path_;
    request.headers = {{"accept", "application/json, text/event-stream"},
                       {"content-type", "application/json"}};
    if (!session.empty()) request.headers.emplace_back("mcp-session-id", session);
    request.body = body;
    return server_.Answer(connection, request);
  }

  HttpResponse Call(const std::string& session, const std::string& method,
                    const json& params = json::object()) {
    return Send("POST", session,
                json{{"jsonrpc", "2.0"}, {"id", 7}, {"method", method}, {"params", params}}.dump());
  }

  std::string Initialize(const std::string& version = "2025-11-25") {
    const HttpResponse response = Call("", "initialize", {{"protocolVersion", version}});
    EXPECT_EQ(response.status, 200);
    negotiated_ = json::parse(response.body)["result"]["protocolVersion"];
    for (const auto& [name, value] : response.headers) {
      if (name == "Mcp-Session-Id") return value;
    }
    ADD_FAILURE() << "no session id";
    return {};
  }

  // Returns a session after notifications/initialized.
  std::string Ready() {
    const std::string session = Initialize();
    EXPECT_EQ(
        Send("POST", session, R"({"jsonrpc":"2.0","method":"notifications/initialized"})").status,
        202);
    return session;
  }

  // Returns the text of a tool result, or "failed" if isError is set.
  std::string Tool(const std::string& session, const std::string& name, const json& arguments) {
    const auto response = Call(session, "tools/call", {{"name", name}, {"arguments", arguments}});
    const json result = json::parse(response.body)["result"];
    if (result.value("isError", false)) return "failed";
    return result["content"][0]["text"];
  }

  // Returns the JSON object inside the text of a tool.
  static json ObjectIn(const std::string& text) {
    const auto from = text.find('{');
    return json::parse(text.substr(from, text.rfind('}') - from + 1));
  }

  std::string Subscribe(const std::string& session) {
    const std::string text = Tool(session, "events_subscribe", {{"mode", "faults"}});
    EXPECT_TRUE(text.starts_with("# Event Subscription Created\n")) << text;
    return ObjectIn(text)["subscriptionId"];
  }

  void SetLevel(const std::string& session, const char* level) {
    EXPECT_TRUE(
        json::parse(Call(session, "logging/setLevel", {{"level", level}}).body).contains("result"));
  }

  void Open(const std::string& session, ConnectionId connection) {
    EXPECT_TRUE(Send("GET", session, "", connection).stream);
  }

  static FaultEvent Fault() {
    FaultEvent fault;
    fault.cluster = "simulated";
    fault.fault_id = "00000000000000aa";
    fault.fault_type = "CrashLoop";
    fault.severity = Severity::kCritical;
    fault.resource = {"v1", "Pod", "a", "b", "c"};
    fault.context = "line\n\"quoted\"";
    return fault;
  }

  SystemClock clock_;
  FakeStreams streams_;
  McpServer server_;
  std::string path_ = "/mcp";
  int audiences_ = 0;
  std::string negotiated_;
};

TEST_F(McpServerTest, NegotiatesTheVersion) {
  for (const char* version : {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"}) {
    Initialize(version);
    EXPECT_EQ(negotiated_, version);
  }
  Initialize("1999-01-01");
  EXPECT_EQ(negotiated_, "2025-11-25");
}

TEST_F(McpServerTest, RejectsRequestsWithoutAKnownSession) {
  EXPECT_EQ(Call("", "ping").status, 400);
  EXPECT_EQ(Call("unknown", "ping").status, 404);
  EXPECT_EQ(Send("GET", "").status, 400);
  EXPECT_EQ(Send("GET", "unknown").status, 404);
  EXPECT_EQ(Send("DELETE", "").status, 400);
  EXPECT_EQ(Send("DELETE", "unknown").status, 404);
  EXPECT_NE(Initialize(), Initialize());
}

TEST_F(McpServerTest, AnswersOnlyPingBeforeInitialized) {
  const std::string session = Initialize();
  EXPECT_TRUE(json::parse(Call(session, "ping").body).contains("result"));
  EXPECT_EQ(json::parse(Call(session, "tools/list").body)["error"]["code"], -32600);
}

TEST_F(McpServerTest, RejectsRequestsThatAreNotMcp) {
  HttpRequest request;
  request.method = "POST";
  request.path = "/other";
  EXPECT_EQ(server_.Answer(1, request).status, 404);
  request.path = "/mcp";
  EXPECT_EQ(server_.Answer(1, request).status, 406);
  request.headers = {{"accept", "application/json, text/event-stream"}};
  EXPECT_EQ(server_.Answer(1, request).status, 415);
  request.headers.emplace_back("mcp-protocol-version", "1999-01-01");
  EXPECT_EQ(server_.Answer(1, request).status, 400);
  request.method = "PUT";
  request.headers.clear();
  EXPECT_EQ(server_.Answer(1, request).status, 405);
  request.method = "GET";
  EXPECT_EQ(server_.Answer(1, request).status, 406);
}

TEST_F(McpServerTest, RejectsBodiesThatAreNotJsonRpc) {
  for (const char* body : {"", "{", "[]", "1", R"({"id":1,"method":"ping"})",
                           R"({"jsonrpc":"2.0","id":null,"method":"ping"})",
                           R"({"jsonrpc":"2.0","id":{},"method":"ping"})", "\xff"}) {
    EXPECT_EQ(Send("POST", Ready(), body).status, 400) << body;
  }
  EXPECT_EQ(Send("POST", Ready(), std::string(100'000, '[')).status, 400);
}

TEST_F(McpServerTest, UnknownMethodsToolsAndParamsAreErrors) {
  const std::string session = Ready();
  const auto code = [&](const char* method, const json& params) {
    return json::parse(Call(session, method, params).body)["error"]["code"];
  };
  EXPECT_EQ(code("resources/list", json::object()), -32601);
  EXPECT_EQ(code("tools/call", {{"name", "other"}}), -32602);
  EXPECT_EQ(code("tools/call", 1), -32602);
  EXPECT_EQ(code("tools/call", json::array()), -32602);
  EXPECT_EQ(code("logging/setLevel", {{"level", "loud"}}), -32602);
}

TEST_F(McpServerTest, ResponsesRepeatTheRequestId) {
  const std::string session = Ready();
  for (const char* id : {"7", "\"seven\"", "-1"}) {
    const auto response =
        Send("POST", session, R"({"jsonrpc":"2.0","method":"ping","id":)" + std::string(id) + "}");
    EXPECT_EQ(json::parse(response.body)["id"], json::parse(id));
  }
}

TEST_F(McpServerTest, ListsItsTools) {
  const json tools = json::parse(Call(Ready(), "tools/list").body)["result"]["tools"];
  std::set<std::string> names;
  for (const json& tool : tools) {
    names.insert(tool["name"]);
    EXPECT_EQ(tool["inputSchema"]["type"], "object");
  }
  EXPECT_EQ(names, (std::set<std::string>{"events_subscribe", "events_list_subscriptions",
                                          "events_unsubscribe"}));
}

TEST_F(McpServerTest, FaultsNeedSubscriptionLevelAndStream) {
  const std::string session = Ready();
  Open(session, 5);
  EXPECT_EQ(server_.Publish(Fault()), 0u);
  const std::string subscription = Subscribe(session);
  EXPECT_EQ(server_.Publish(Fault()), 0u);
  EXPECT_EQ(audiences_, 0);
  SetLevel(session, "info");
  EXPECT_EQ(audiences_, 1);
  EXPECT_EQ(server_.Publish(Fault()), 1u);
  ASSERT_EQ(streams_.sent[5].size(), 1u);
  const json params = streams_.sent[5][0]["params"];
  EXPECT_EQ(streams_.sent[5][0]["method"], "notifications/message");
  EXPECT_EQ(params["level"], "warning");
  EXPECT_EQ(params["logger"], "kubernetes/faults");
  EXPECT_EQ(params["data"]["subscriptionId"], subscription);
  EXPECT_EQ(params["data"]["faultId"], "00000000000000aa");
  EXPECT_EQ(params["data"]["severity"], "critical");
  EXPECT_EQ(params["data"]["resource"]["namespace"], "b");
  EXPECT_EQ(params["data"]["context"], "line\n\"quoted\"");
  EXPECT_EQ(params["data"]["timestamp"], "1970-01-01T00:00:00Z");
}

TEST_F(McpServerTest, AHigherLevelHidesFaults) {
  const std::string session = Ready();
  Open(session, 5);
  Subscribe(session);
  SetLevel(session, "error");
  EXPECT_FALSE(server_.HasAudience());
  SetLevel(session, "warning");
  EXPECT_TRUE(server_.HasAudience());
}

TEST_F(McpServerTest, OneStreamForEachSession) {
  const std::string session = Ready();
  Open(session, 5);
  EXPECT_EQ(Send("GET", session, "", 6).status, 409);
  server_.OnStreamClosed(5);
  Open(session, 6);
}

TEST_F(McpServerTest, ASubscriptionOutlivesItsStream) {
  const std::string session = Ready();
  SetLevel(session, "info");
  const std::string subscription = Subscribe(session);
  Open(session, 5);
  server_.OnStreamClosed(5);
  EXPECT_FALSE(server_.HasAudience());
  const json list = ObjectIn(Tool(session, "events_list_subscriptions", json::object()));
  EXPECT_EQ(list["total"], 1);
  EXPECT_EQ(list["subscriptions"][0]["subscriptionId"], subscription);
  Open(session, 6);
  EXPECT_EQ(audiences_, 2);
  server_.Publish(Fault());
  EXPECT_EQ(streams_.sent.count(5), 0u);
  EXPECT_EQ(streams_.sent[6].size(), 1u);
}

TEST_F(McpServerTest, Unsubscribe) {
  const std::string session = Ready();
  SetLevel(session, "info");
  Open(session, 5);
  const std::string subscription = Subscribe(session);
  EXPECT_EQ(Tool(Ready(), "events_unsubscribe", {{"subscriptionId", subscription}}), "failed");
  EXPECT_NE(Tool(session, "events_unsubscribe", {{"subscriptionId", subscription}}), "failed");
  EXPECT_EQ(Tool(session, "events_unsubscribe", {{"subscriptionId", subscription}}), "failed");
  EXPECT_EQ(server_.Publish(Fault()), 0u);
}

TEST_F(McpServerTest, SubscriptionsAreBounded) {
  const std::string session = Ready();
  EXPECT_EQ(Tool(session, "events_subscribe", {{"mode", "events"}}), "failed");
  EXPECT_EQ(Tool(session, "events_subscribe", json::object()), "failed");
  std::set<std::string> ids;
  for (std::size_t i = 0; i < McpSession::kMaxSubscriptions; ++i) ids.insert(Subscribe(session));
  EXPECT_EQ(ids.size(), McpSession::kMaxSubscriptions);
  EXPECT_EQ(Tool(session, "events_subscribe", {{"mode", "faults"}}), "failed");
}

TEST_F(McpServerTest, StreamsCannotBeResumed) {
  HttpRequest request;
  request.method = "GET";
  request.path = "/mcp";
  request.headers = {
      {"accept", "text/event-stream"}, {"mcp-session-id", Ready()}, {"last-event-id", "1"}};
  EXPECT_EQ(server_.Answer(1, request).status, 400);
}

TEST_F(McpServerTest, EachPathIsASeparateServer) {
  path_ = "/c/east/mcp";
  const std::string session = Ready();
  SetLevel(session, "info");
  Subscribe(session);
  Open(session, 5);
  EXPECT_EQ(server_.Publish(Fault()), 1u);
  EXPECT_EQ(streams_.sent[5][0]["params"]["data"]["cluster"], "east");
  for (const char* other : {"/mcp", "/c/west/mcp"}) {
    path_ = other;
    EXPECT_EQ(Call(session, "ping").status, 404) << other;
  }
  for (const char* nowhere : {"/c/mcp", "/c//mcp", "/c/a/b/mcp", "/c/a", "/c/a/mcp/", "/"}) {
    path_ = nowhere;
    EXPECT_EQ(Call("", "initialize").status, 404) << nowhere;
  }
}

TEST_F(McpServerTest, DeleteEndsTheSession) {
  const std::string session = Ready();
  SetLevel(session, "info");
  Subscribe(session);
  Open(session, 5);
  EXPECT_EQ(Send("DELETE", session).status, 204);
  EXPECT_TRUE(streams_.ended.contains(5));
  EXPECT_FALSE(server_.HasAudience());
  server_.OnStreamClosed(5);
  EXPECT_EQ(Call(session, "ping").status, 404);
}

}  // namespace
}  // namespace runner::faultsim
