#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <iomanip>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "ingest/mcp/protocol/mcp_session.h"

namespace runner::ingest {

// Plays the server to an MCP session by hand.
class McpSessionTest : public ::testing::Test {
 protected:
  // Push, over Streamable HTTP, and no looking back: what most tests are about.
  static McpSessionOptions Options() {
    McpSessionOptions options;
    options.client_version = "1.2.3";
    options.mode = McpMode::kFaults;
    options.transport = Transport::kStreamableHttp;
    options.backfill = false;
    return options;
  }
  static HttpHead Head(int status, std::string content_type = "application/json",
                       std::string session_id = "") {
    HttpHead head;
    head.status = status;
    head.content_type = std::move(content_type);
    head.session_id = std::move(session_id);
    return head;
  }
  static HttpHead StreamHead() { return Head(200, "text/event-stream"); }

  static ConnectionFailure FailureOf(ErrorClass error, std::string detail = "") {
    ConnectionFailure failure;
    failure.error = error;
    failure.detail = std::move(detail);
    return failure;
  }

  // --- what the latest step asked for ---
  template <typename T>
  std::vector<T> All() const {
    std::vector<T> found;
    for (const McpAction& action : actions_) {
      if (const T* one = std::get_if<T>(&action)) found.push_back(*one);
    }
    return found;
  }
  template <typename T>
  std::size_t Count() const {
    return All<T>().size();
  }
  template <typename T>
  T Only() const {
    const std::vector<T> found = All<T>();
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? T{} : found.front();
  }
  // The body of the only POST.
  Json Posted() const { return Json::parse(Only<PostMessage>().body, nullptr, false); }
  std::string Method() const { return Posted().value("method", ""); }
  std::string Tool() const {
    const Json message = Posted();
    return message.value("method", "") == "tools/call" ? message["params"].value("name", "") : "";
  }
  std::string Header(const HttpHeaders& headers, std::string_view name) const {
    const auto found = std::find_if(headers.begin(), headers.end(),
                                    [&](const auto& header) { return header.first == name; });
    return found == headers.end() ? "" : found->second;
  }
  ConnectionFailure Failure() const { return Only<ConnectionLost>().failure; }
  bool Resumable() const { return Only<ConnectionLost>().resumable; }

  // --- steps ---
  void Do(McpActions actions) {
    actions_ = std::move(actions);
    for (const PostMessage& post : All<PostMessage>()) {
      const Json message = Json::parse(post.body, nullptr, false);
      if (!message.contains("method") || !message.contains("id")) continue;
      request_post_ = post.post;
      request_id_ = message["id"].get<std::int64_t>();
    }
  }
  // A new session in place of the present one; the history stays.
  void Renew() { Renew(Options()); }
  void Renew(const McpSessionOptions& options) {
    session_ = std::make_unique<McpSession>(options, history_);
  }
  void Start() { Do(session_->Start(now_)); }
  void Message(const Json& message, MessageOrigin origin = MessageOrigin::kPost) {
    Text(message.dump(), origin);
  }
  void Text(std::string_view text, MessageOrigin origin) {
    Do(session_->OnMessage(text, origin, now_));
  }
  void OnStream(const Json& message) { Message(message, MessageOrigin::kStream); }
  void PostHead(const HttpHead& head) { Do(session_->OnPostHead(request_post_, head, now_)); }
  void StreamAnswers(const HttpHead& head) { Do(session_->OnStreamHead(head, now_)); }
  void StreamEnds(std::optional<ConnectionFailure> failure = {}, std::string last_event_id = "") {
    Do(session_->OnStreamDone(failure, last_event_id, now_));
  }
  // Answers the request under way with a whole exchange; what it caused stays to be looked at.
  void Reply(Json result) { Answer({{"result", std::move(result)}}); }
  void ReplyError(std::int64_t code, const std::string& message) {
    Answer({{"error", {{"code", code}, {"message", message}}}});
  }
  void ReplyTool(const std::string& text, bool failed = false) {
    Reply({{"content", {{{"type", "text"}, {"text", text}}}}, {"isError", failed}});
  }
  void Answer(Json members, const std::string& session_id = "") {
    const PostId post = request_post_;
    Json message = {{"jsonrpc", "2.0"}, {"id", request_id_}};
    message.update(members);
    McpActions head = session_->OnPostHead(post, Head(200, "application/json", session_id), now_);
    EXPECT_TRUE(head.empty());
    McpActions caused = session_->OnMessage(message.dump(), MessageOrigin::kPost, now_);
    McpActions done = session_->OnPostDone(post, std::nullopt, now_);
    EXPECT_TRUE(done.empty());
    Do(std::move(caused));
  }
  void Pass(Duration time) {
    now_.mono += time;
    now_.wall += std::chrono::duration_cast<WallTime::duration>(time);
  }
  void Timer() { Do(session_->OnTimer(now_)); }

  // What events_list says of a Pod of this name, in the namespace shop.
  std::string Listed(const std::string& name, std::chrono::seconds ago = {},
                     const std::string& reason = "BackOff",
                     const std::string& type = "Warning") const {
    const std::time_t at = std::chrono::system_clock::to_time_t(now_.wall - ago);
    std::ostringstream text;
    text << "- InvolvedObject: {Kind: Pod, Name: " << name << "}\n  Message: it broke\n"
         << "  Namespace: shop\n  Reason: " << reason
         << "\n  Timestamp: " << std::put_time(std::gmtime(&at), "%Y-%m-%d %H:%M:%S +0000 UTC")
         << "\n  Type: " << type << "\n";
    return text.str();
  }

  // --- ways into a phase ---
  static Json InitializeResult(std::string version = "2025-11-25", bool logs = true) {
    Json capabilities = {{"tools", Json::object()}};
    if (logs) capabilities["logging"] = Json::object();
    return {{"protocolVersion", std::move(version)},
            {"capabilities", std::move(capabilities)},
            {"serverInfo", {{"name", "server"}, {"version", "1"}}}};
  }
  // Until notifications/initialized is under way.
  void Initialize(Json result = InitializeResult(), const std::string& session_id = "s-1") {
    Start();
    first_request_id_ = request_id_;
    Answer({{"result", std::move(result)}}, session_id);
    confirmation_ = Only<PostMessage>().post;
  }
  void ConfirmInitialized() {
    Do(session_->OnPostHead(confirmation_, Head(202, ""), now_));
    EXPECT_TRUE(actions_.empty());
    Do(session_->OnPostDone(confirmation_, std::nullopt, now_));
  }
  void OpenTheStream() {
    Initialize();
    ConfirmInitialized();
    StreamAnswers(StreamHead());
  }
  static std::string Created(const std::string& id = "sub-1") {
    return "# Event Subscription Created\n{\"subscriptionId\": \"" + id +
           "\", \"mode\":\"faults\"}";
  }
  void Subscribe() {
    OpenTheStream();
    Reply(Json::object());  // logging/setLevel
    ReplyTool(Created());
    ASSERT_EQ(Count<Subscribed>(), 1u);
  }
  // A subscribed session whose stream ended and is open again.
  void Reopen(const std::string& last_event_id = "") {
    Subscribe();
    StreamEnds({}, last_event_id);
    Do(session_->Resume(now_));
    StreamAnswers(StreamHead());
  }

  EventHistory history_;
  std::unique_ptr<McpSession> session_ = std::make_unique<McpSession>(Options(), history_);
  Instant now_{MonoTime(std::chrono::hours(1)), WallTime(std::chrono::hours(500'000))};
  McpActions actions_;
  PostId request_post_ = 0;  // of the latest request
  std::int64_t request_id_ = 0;
  std::int64_t first_request_id_ = 0;
  PostId confirmation_ = 0;
};

// The tool lists the subscription.
inline const std::string kListed = "# Subscriptions\n- subscriptionId: sub-1 (faults)\n";

// A notification as servers push faults.
inline Json FaultNotification(const std::string& name = "pod-1") {
  return {{"jsonrpc", "2.0"},
          {"method", "notifications/message"},
          {"params",
           {{"level", "warning"},
            {"logger", "kubernetes/faults"},
            {"data",
             {{"subscriptionId", "sub-1"},
              {"faultId", "0a1b"},
              {"faultType", "CrashLoop"},
              {"severity", "critical"},
              {"resource", {{"kind", "Pod"}, {"name", name}}}}}}}};
}

}  // namespace runner::ingest
