#include "ingest/mcp/mcp_session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/utf8.h"
#include "ingest/mcp/json_members.h"
#include "ingest/mcp/jsonrpc.h"
#include "ingest/mcp/tool_result.h"

namespace runner::ingest {
namespace {

constexpr std::array<std::string_view, 4> kVersions = {"2025-11-25", "2025-06-18", "2025-03-26",
                                                       "2024-11-05"};
constexpr int kUnansweredChecksAllowed = 2;
constexpr std::int64_t kMethodNotFound = -32601;

bool IsSuccess(const HttpHead& head) { return head.status >= 200 && head.status < 300; }

}  // namespace

McpSession::McpSession(McpSessionOptions options)
    : options_(std::move(options)),
      reader_(options_.reader ? options_.reader : std::make_shared<JsonRpcReader>()) {}

// --- inputs ---------------------------------------------------------------------------------

SourceActions McpSession::Start(const Instant& now) {
  phase_ = Phase::kInitializing;
  SendRequest(
      "initialize",
      {{"protocolVersion", kVersions.front()},
       {"capabilities", Json::object()},
       {"clientInfo", {{"name", "kubernetes-mcp-runner"}, {"version", options_.client_version}}}},
      now);
  return TakeActions();
}

SourceActions McpSession::Resume(const Instant& now) {
  resuming_ = true;
  Begin(Phase::kOpeningStream, now);
  return TakeActions();
}

SourceActions McpSession::Close() {
  DropRequest();
  if (std::exchange(stream_open_, false)) actions_.push_back(CloseStream{});
  if (!session_id_.empty() && phase_ != Phase::kEnded) {
    actions_.push_back(DeleteSession{SessionHeaders()});
  }
  phase_ = Phase::kEnded;
  return TakeActions();
}

SourceActions McpSession::OnMessage(std::string_view text, MessageOrigin origin,
                                    const Instant& now) {
  if (phase_ == Phase::kEnded) return {};
  if (text.empty()) return {};  // an event that only carried an id
  last_heard_ = now.mono;
  for (const JsonRpcMessage& message : reader_->Read(text)) {
    if (phase_ == Phase::kEnded) break;  // a message before it in the batch has ended the session
    if (const auto* response = std::get_if<JsonRpcResponse>(&message)) {
      OnResponse(*response, now);
    } else if (const auto* request = std::get_if<JsonRpcRequest>(&message)) {
      Send(request->method == "ping" ? MakeResult(request->id, Json::object())
                                     : MakeError(request->id, kMethodNotFound, "method not found"));
    } else if (const auto* notification = std::get_if<JsonRpcNotification>(&message)) {
      OnNotification(*notification, now);
    } else if (origin == MessageOrigin::kStream) {
      const std::string& what = std::get<JsonRpcInvalid>(message).what;
      actions_.push_back(DeliverEvent{InvalidEvent{"json", what, std::nullopt}});
    }
  }
  reader_->Trim();
  return TakeActions();
}

SourceActions McpSession::OnOversize() {
  actions_.push_back(DeliverEvent{InvalidEvent{"oversize", "message over the limit", {}}});
  return TakeActions();
}

SourceActions McpSession::OnPostHead(PostId post, const HttpHead& head, const Instant& now) {
  const bool awaited = request_ && request_->post == post;
  if (!awaited && post != confirmation_) return {};
  if (!IsSuccess(head)) {
    OnCheckFailed(FailureOf(head, "POST"), now);
  } else if (awaited && head.content_type != "application/json" &&
             head.content_type != "text/event-stream") {
    Fail(ErrorClass::kProtocol, "the answer has content type '" + head.content_type + "'");
  } else if (phase_ == Phase::kInitializing && !head.session_id.empty()) {
    session_id_ = head.session_id;
  }
  return TakeActions();
}

SourceActions McpSession::OnPostDone(PostId post, const std::optional<ConnectionFailure>& failure,
                                     const Instant& now) {
  if (request_ && request_->post == post) {
    const ConnectionFailure no_reply{
        ErrorClass::kProtocol, "the answer holds no reply to the request", {}, false};
    OnCheckFailed(failure.value_or(no_reply), now);
  } else if (post == confirmation_ && phase_ == Phase::kConfirming) {
    if (failure) {
      Fail(*failure);
    } else {
      Begin(Phase::kOpeningStream, now);
    }
  }
  return TakeActions();
}

SourceActions McpSession::OnStreamHead(const HttpHead& head, const Instant& now) {
  if (phase_ != Phase::kOpeningStream) return TakeActions();
  if (head.status == 400 && !last_event_id_.empty()) {
    // A server without an event store refuses to replay: take the stream from here on.
    last_event_id_.clear();
    actions_.push_back(CloseStream{});
    Begin(Phase::kOpeningStream, now);
  } else if (head.status == 405 || (!resuming_ && (head.status == 404 || head.status == 400))) {
    Fail({ErrorClass::kProtocol,
          "the server offers no event stream (GET answers " + std::to_string(head.status) + ")",
          head.retry_after, true});
  } else if (!IsSuccess(head)) {
    Fail(FailureOf(head, "GET"));
  } else if (head.content_type != "text/event-stream") {
    Fail(ErrorClass::kProtocol, "the stream has content type '" + head.content_type + "'");
  } else if (std::exchange(resuming_, false) && can_list_) {
    Begin(Phase::kVerifying, now);
  } else if (server_logs_) {
    Begin(Phase::kSettingLevel, now);
  } else {
    Begin(Phase::kSubscribing, now);
  }
  return TakeActions();
}

SourceActions McpSession::OnStreamDone(const std::optional<ConnectionFailure>& failure,
                                       const std::string& last_event_id, const Instant&) {
  stream_open_ = false;
  if (!last_event_id.empty()) last_event_id_ = last_event_id;
  const ConnectionFailure closed{
      ErrorClass::kStreamClosed, "the server ended the stream", {}, false};
  if (phase_ == Phase::kSubscribed) {
    Suspend(failure.value_or(closed));
  } else if (phase_ == Phase::kOpeningStream || phase_ == Phase::kSettingLevel ||
             phase_ == Phase::kSubscribing || phase_ == Phase::kVerifying) {
    Fail(failure.value_or(closed));
  }
  return TakeActions();
}

SourceActions McpSession::OnTimer(const Instant& now) {
  if (request_ && request_->deadline <= now.mono) {
    OnRequestExpired(now);
  } else if (phase_ == Phase::kSubscribed && !request_ &&
             last_heard_ + options_.ping_interval <= now.mono) {
    Check(now);
  }
  return TakeActions();
}

std::optional<MonoTime> McpSession::NextDeadline() const {
  if (request_) return request_->deadline;
  if (phase_ == Phase::kSubscribed) return last_heard_ + options_.ping_interval;
  return std::nullopt;
}

// --- steps ----------------------------------------------------------------------------------

void McpSession::Begin(Phase phase, const Instant& now) {
  phase_ = phase;
  switch (phase) {
    case Phase::kOpeningStream: {
      HttpHeaders headers = SessionHeaders();
      if (!last_event_id_.empty()) headers.emplace_back("Last-Event-ID", last_event_id_);
      stream_open_ = true;
      actions_.push_back(OpenStream{std::move(headers)});
      break;
    }
    case Phase::kSettingLevel:
      // Without a level the server drops every log notification, and faults are such.
      SendRequest("logging/setLevel", {{"level", "info"}}, now);
      break;
    case Phase::kSubscribing:
      CallTool("events_subscribe", {{"mode", "faults"}}, now);
      break;
    case Phase::kVerifying:
      CallTool("events_list_subscriptions", Json::object(), now);
      break;
    default:
      break;
  }
}

void McpSession::Check(const Instant& now) {
  if (can_list_) {
    CallTool("events_list_subscriptions", Json::object(), now);
  } else {
    SendRequest("ping", Json::object(), now);
    request_->ping = true;
  }
}

void McpSession::BecomeSubscribed(const Instant& now) {
  phase_ = Phase::kSubscribed;
  last_heard_ = now.mono;
  unanswered_checks_ = 0;
  actions_.push_back(Subscribed{session_id_});
}

void McpSession::OnResponse(const JsonRpcResponse& response, const Instant& now) {
  if (!request_ || request_->id != response.id) return;  // late, or none of ours
  const Request request = *std::exchange(request_, std::nullopt);
  switch (phase_) {
    case Phase::kInitializing:
      OnInitialized(response, now);
      break;
    case Phase::kSettingLevel:
      if (response.is_error) {
        Fail(ErrorClass::kSubscription, "logging/setLevel: " + FailureText(response));
      } else {
        Begin(Phase::kSubscribing, now);
      }
      break;
    case Phase::kSubscribing:
      OnSubscribeReply(response, now);
      break;
    case Phase::kVerifying:
    case Phase::kSubscribed:
      OnCheckReply(response, request.ping, now);
      break;
    default:
      break;
  }
}

void McpSession::OnInitialized(const JsonRpcResponse& response, const Instant&) {
  const JsonMembers result(response.result, {"protocolVersion", "capabilities"});
  if (response.is_error || !result.of_object()) {
    Fail(ErrorClass::kProtocol, "initialize: " + FailureText(response));
    return;
  }
  const std::string_view version = result.Text("protocolVersion");
  if (std::find(kVersions.begin(), kVersions.end(), version) == kVersions.end()) {
    Fail({ErrorClass::kProtocol, "the server speaks no MCP version known here", {}, true});
    return;
  }
  protocol_version_ = version;
  const JsonMembers capabilities(result["capabilities"], {"logging"});
  server_logs_ = capabilities["logging"].has_value();
  phase_ = Phase::kConfirming;
  confirmation_ = Send(MakeNotification("notifications/initialized"));
}

void McpSession::OnSubscribeReply(const JsonRpcResponse& response, const Instant& now) {
  if (ToolFailed(response)) {
    Fail(ErrorClass::kSubscription, "events_subscribe: " + FailureText(response));
    return;
  }
  subscription_id_ = FindSubscriptionId(ToolText(response.result));
  if (subscription_id_.empty()) {
    Fail(ErrorClass::kSubscription, "events_subscribe: the answer names no subscriptionId");
    return;
  }
  BecomeSubscribed(now);
}

void McpSession::OnCheckReply(const JsonRpcResponse& response, bool ping, const Instant& now) {
  const bool verifying = phase_ == Phase::kVerifying;
  if (!ping && ToolFailed(response)) {
    if (!ToolUnknown(response)) {
      OnCheckFailed({ErrorClass::kSubscription,
                     "events_list_subscriptions: " + FailureText(response),
                     {},
                     false},
                    now);
      return;
    }
    can_list_ = false;
    if (verifying) Begin(Phase::kSubscribing, now);
    return;
  }
  unanswered_checks_ = 0;
  if (ping) return;
  const bool there = NamesSubscription(ToolText(response.result), subscription_id_);
  if (verifying && there) {
    BecomeSubscribed(now);
  } else if (verifying) {
    Begin(Phase::kSubscribing, now);
  } else if (!there) {
    Suspend({ErrorClass::kSubscription, "the server has dropped the subscription", {}, false});
  }
}

void McpSession::OnCheckFailed(ConnectionFailure failure, const Instant& now) {
  DropRequest();
  const bool known_lost = failure.error == ErrorClass::kSessionExpired;
  if (phase_ != Phase::kSubscribed || known_lost ||
      ++unanswered_checks_ >= kUnansweredChecksAllowed) {
    Fail(std::move(failure));
  } else {
    last_heard_ = now.mono;  // once more after the next interval
  }
}

void McpSession::OnNotification(const JsonRpcNotification& notification, const Instant& now) {
  if (notification.method != "notifications/message") return;
  const JsonMembers params(notification.params, {"logger", "data"});
  const std::string_view logger = params.Text("logger");
  if (!params.ambiguity().empty()) {
    actions_.push_back(DeliverEvent{InvalidEvent{"json", params.ambiguity(), std::nullopt}});
  } else if (logger == "kubernetes/faults") {
    actions_.push_back(DeliverEvent{DecodeFault(params["data"], now.wall)});
  } else if (logger == "kubernetes/subscription_error") {
    const std::string detail = TruncateUtf8(JsonText(params["data"]), 1000);
    actions_.push_back(SourceWarning{"Subscription degraded", detail});
    if (phase_ == Phase::kSubscribed && !request_) Check(now);
  }
}

void McpSession::OnRequestExpired(const Instant& now) {
  const Request expired = *request_;
  DropRequest();
  if (phase_ != Phase::kInitializing) {
    Send(MakeNotification("notifications/cancelled",
                          {{"requestId", expired.id}, {"reason", "no answer in time"}}));
  }
  if (phase_ == Phase::kSubscribed && ++unanswered_checks_ < kUnansweredChecksAllowed) {
    Check(now);
    return;
  }
  Fail(ErrorClass::kTimeout, "no answer within the time limit of a request");
}

// --- sending and ending ---------------------------------------------------------------------

void McpSession::SendRequest(std::string_view method, Json params, const Instant& now) {
  const std::int64_t id = ++last_id_;
  const PostId post = Send(MakeRequest(id, method, std::move(params)));
  request_ = Request{id, post, now.mono + options_.request_timeout, false};
}

void McpSession::CallTool(std::string_view tool, Json arguments, const Instant& now) {
  SendRequest("tools/call", {{"name", tool}, {"arguments", std::move(arguments)}}, now);
}

PostId McpSession::Send(std::string body) {
  actions_.push_back(PostMessage{++last_post_, std::move(body), SessionHeaders()});
  return last_post_;
}

HttpHeaders McpSession::SessionHeaders() const {
  HttpHeaders headers;
  if (!session_id_.empty()) headers.emplace_back("Mcp-Session-Id", session_id_);
  if (!protocol_version_.empty()) headers.emplace_back("MCP-Protocol-Version", protocol_version_);
  return headers;
}

void McpSession::Suspend(ConnectionFailure failure) {
  DropRequest();
  if (std::exchange(stream_open_, false)) actions_.push_back(CloseStream{});
  phase_ = Phase::kSuspended;
  actions_.push_back(ConnectionLost{std::move(failure), true});
}

void McpSession::Fail(ErrorClass error, std::string detail) {
  Fail({error, std::move(detail), std::nullopt, false});
}

void McpSession::Fail(ConnectionFailure failure) {
  DropRequest();
  if (std::exchange(stream_open_, false)) actions_.push_back(CloseStream{});
  if (!session_id_.empty() && failure.error != ErrorClass::kSessionExpired) {
    actions_.push_back(DeleteSession{SessionHeaders()});
  }
  phase_ = Phase::kEnded;
  actions_.push_back(ConnectionLost{std::move(failure), false});
}

void McpSession::DropRequest() {
  if (request_) actions_.push_back(CancelPost{request_->post});
  request_.reset();
}

ConnectionFailure McpSession::FailureOf(const HttpHead& head, std::string_view what) const {
  ConnectionFailure failure;
  failure.detail = std::string(what) + " answers " + std::to_string(head.status);
  failure.retry_after = head.retry_after;
  if (head.status == 401 || head.status == 403) {
    failure.error = ErrorClass::kAuth;
    failure.retry_slowly = true;
  } else if (head.status >= 500 || head.status == 429) {
    failure.error = ErrorClass::kServer;
  } else if (head.status == 404 && !session_id_.empty()) {
    failure.error = ErrorClass::kSessionExpired;
  } else {
    failure.error = ErrorClass::kProtocol;
    failure.retry_slowly = head.status == 404 || (head.status >= 300 && head.status < 400);
  }
  return failure;
}

SourceActions McpSession::TakeActions() { return std::exchange(actions_, {}); }

}  // namespace runner::ingest
