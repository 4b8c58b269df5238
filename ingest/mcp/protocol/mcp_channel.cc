#include "ingest/mcp/protocol/mcp_channel.h"

#include <cstddef>
#include <utility>

#include "ingest/mcp/protocol/failure_text.h"
#include "ingest/mcp/protocol/jsonrpc.h"

namespace runner::ingest {
namespace {

constexpr std::int64_t kMethodNotFound = -32601;
constexpr std::size_t kMaxAnswers = 4;  // to requests of the server, under way at once

}  // namespace

McpChannel::McpChannel(Transport transport, Duration request_timeout)
    : request_timeout_(request_timeout), legacy_(transport == Transport::kSse) {}

// --- requests -------------------------------------------------------------------------------

void McpChannel::SendRequest(std::string_view method, Json params, const Instant& now,
                             std::optional<Duration> list_timeout) {
  const std::int64_t id = ++last_id_;
  const PostId post = Post(MakeRequest(id, method, std::move(params)), list_timeout);
  request_ = Request{id, post, now.mono + list_timeout.value_or(request_timeout_)};
}

void McpChannel::CallTool(const std::string& tool, Json arguments, const Instant& now,
                          std::optional<Duration> list_timeout) {
  SendRequest("tools/call", {{"name", tool}, {"arguments", std::move(arguments)}}, now,
              list_timeout);
}

bool McpChannel::TakeReply(std::int64_t id) {
  if (!request_ || request_->id != id) return false;
  request_.reset();
  return true;
}

std::optional<MonoTime> McpChannel::RequestDeadline() const {
  return request_ ? std::optional(request_->deadline) : std::nullopt;
}

void McpChannel::CancelRequest() {
  if (request_) Emit(CancelPost{request_->post});
  request_.reset();
}

ConnectionFailure McpChannel::ExpireRequest() {
  const std::int64_t id = request_->id;
  CancelRequest();
  if (!protocol_version_.empty()) {
    Notify("notifications/cancelled", {{"requestId", id}, {"reason", "no answer in time"}});
  }
  return {ErrorClass::kTimeout, "no answer within the request timeout", {}, false};
}

PostId McpChannel::Notify(std::string_view method, Json params) {
  return Post(MakeNotification(method, std::move(params)));
}

void McpChannel::Answer(const JsonRpcRequest& request) {
  if (legacy_ && post_url_.empty()) return;  // no URL to post to
  if (answers_.size() >= kMaxAnswers) return;
  answers_.insert(Post(request.method == "ping"
                           ? MakeResult(request.id, Json::object())
                           : MakeError(request.id, kMethodNotFound, "method not found")));
}

PostId McpChannel::Post(std::string body, std::optional<Duration> list_timeout) {
  Emit(PostMessage{++last_post_, std::move(body), SessionHeaders(), post_url_, list_timeout});
  return last_post_;
}

HttpHeaders McpChannel::SessionHeaders() const {
  HttpHeaders headers;
  if (legacy_) return headers;
  if (!session_id_.empty()) headers.emplace_back("Mcp-Session-Id", session_id_);
  if (!protocol_version_.empty()) headers.emplace_back("MCP-Protocol-Version", protocol_version_);
  return headers;
}

// --- the stream -----------------------------------------------------------------------------

void McpChannel::OpenStream() { OpenStreamWith(SessionHeaders()); }

void McpChannel::ReopenStream() {
  HttpHeaders headers = SessionHeaders();
  if (!stream_.last_event_id().empty()) {
    headers.emplace_back("Last-Event-ID", stream_.last_event_id());
  }
  OpenStreamWith(std::move(headers));
}

void McpChannel::OpenStreamWith(HttpHeaders headers) {
  stream_.Open();
  Emit(runner::ingest::OpenStream{std::move(headers), legacy_});
}

void McpChannel::CloseStream() {
  if (stream_.Close()) Emit(runner::ingest::CloseStream{});
}

void McpChannel::EmitDelete() {
  if (!session_id_.empty()) Emit(DeleteSession{SessionHeaders()});
}

// --- failures -------------------------------------------------------------------------------

ConnectionFailure McpChannel::Refusal(const HttpHead& head, std::string_view method) const {
  ConnectionFailure failure;
  failure.detail = DescribeRefusal(head, method, InSession());
  failure.retry_after = head.retry_after;
  if (head.status == 401 || head.status == 403) {
    failure.error = ErrorClass::kAuth;
    failure.retry_slowly = true;
  } else if (head.status >= 500 || head.status == 429) {
    failure.error = ErrorClass::kServer;
  } else if (head.status == 404 && InSession()) {
    failure.error = ErrorClass::kSessionExpired;
  } else {
    failure.error = ErrorClass::kProtocol;
    failure.retry_slowly = head.status == 404 || (head.status >= 300 && head.status < 400);
  }
  return failure;
}

ConnectionFailure McpChannel::StreamRefusal(const HttpHead& head) const {
  if (stream_.unavailable()) {
    return {ErrorClass::kProtocol,
            "the server offers no event stream: " + DescribeRefusal(head, "GET", true) +
                "; use mode poll, or a server with sessions (not --stateless)",
            head.retry_after, true};
  }
  if (!IsSuccess(head)) return Refusal(head, "GET");
  return {ErrorClass::kProtocol, DescribeWrongType(head, "GET", "text/event-stream"), {}, false};
}

}  // namespace runner::ingest
