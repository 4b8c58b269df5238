#include "ingest/mcp/transport/connection_exchange.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "ingest/mcp/protocol/failure_text.h"
#include "ingest/mcp/transport/endpoint_url.h"

namespace runner::ingest {
namespace {

// Bounds of a `retry` field.
constexpr std::chrono::milliseconds kShortestRetry{100};
constexpr std::chrono::milliseconds kLongestRetry = std::chrono::hours(24);

// How long the body of an answer with an error status is waited for.
constexpr std::chrono::seconds kRefusalBodyTimeout{1};

std::chrono::milliseconds Bounded(std::chrono::milliseconds retry) {
  return std::clamp(retry, kShortestRetry, kLongestRetry);
}

// The only type of event that carries messages (MCP, Transports).
bool IsMessage(const SseEvent& event) { return event.type.empty() || event.type == "message"; }

}  // namespace

// --- Exchange -------------------------------------------------------------------------------

void ClusterConnection::Exchange::Start(HttpRequest request) {
  if (!connection_.token_) return Send(std::move(request));
  repeat_ = request;
  SendWith(connection_.token_->Get(), std::move(request));
}

void ClusterConnection::Exchange::StartAfter(Duration delay, HttpRequest request) {
  timer_ = connection_.event_loop_.After(delay, [this, request = std::move(request)] {
    timer_ = EventLoop::kNoTimer;
    Start(request);
  });
}

void ClusterConnection::Exchange::SendWith(const std::string* token, HttpRequest request) {
  if (token != nullptr) {
    connection_.secrets_.AddToken(*token);
    request.headers.emplace_back("Authorization", "Bearer " + *token);
    return Send(std::move(request));
  }
  // The server would answer 401, and an early retry cannot help.
  timer_ = connection_.event_loop_.After(
      Duration::zero(), [this, failure = ConnectionFailure{
                                   ErrorClass::kAuth, connection_.token_->problem(), {}, true}] {
        timer_ = EventLoop::kNoTimer;
        OnEnd(failure);
      });
}

void ClusterConnection::Exchange::Send(HttpRequest request) {
  tried_ = request.method + ' ' + ShownUrl(request.url);
  cancelled_ = false;
  request_ = connection_.http_.Start(std::move(request), *this);
}

void ClusterConnection::Exchange::Cancel() {
  cancelled_ = true;
  refusal_.reset();
  if (timer_ != EventLoop::kNoTimer) {
    connection_.event_loop_.Cancel(std::exchange(timer_, EventLoop::kNoTimer));
  }
  if (request_ != 0) connection_.http_.Cancel(std::exchange(request_, 0));
}

void ClusterConnection::Exchange::OnHead(const HttpHead& head) {
  connection_.OnServerAnswered();
  for (const std::string& value : connection_.cookies_->Values()) {
    connection_.secrets_.AddCookie(value);
  }
  std::optional<HttpRequest> repeat = std::exchange(repeat_, std::nullopt);
  if (head.status == 401 && repeat) {
    Cancel();
    return SendWith(connection_.token_->Reload(), std::move(*repeat));
  }
  HttpHead answer = head;
  answer.request = tried_;
  if (head.status >= 200 && head.status < 300) return OnAnswer(answer);
  refusal_ = std::move(answer);
  timer_ = connection_.event_loop_.After(kRefusalBodyTimeout, [this] {
    timer_ = EventLoop::kNoTimer;
    ForwardRefusal();
  });
}

void ClusterConnection::Exchange::OnBody(std::string_view bytes) {
  if (!refusal_) return OnBytes(bytes);
  refusal_->body.append(bytes);
  if (refusal_->body.size() >= kMaxRefusalBody) ForwardRefusal();
}

void ClusterConnection::Exchange::ForwardRefusal() {
  connection_.event_loop_.Cancel(std::exchange(timer_, EventLoop::kNoTimer));
  HttpHead head = *std::exchange(refusal_, std::nullopt);
  const std::string body = std::exchange(head.body, {});
  // Masked before it is cut: a part of a secret would not be recognised.
  head.body = connection_.secrets_.MaskCut(body.substr(0, kMaxRefusalBody));
  OnAnswer(head);
  if (!cancelled_) OnBytes(body);
}

void ClusterConnection::Exchange::OnDone(const std::optional<ConnectionFailure>& failure) {
  request_ = 0;
  if (refusal_) ForwardRefusal();
  OnEnd(failure);
}

// --- PostExchange ---------------------------------------------------------------------------

ClusterConnection::PostExchange::PostExchange(ClusterConnection& connection, PostId post,
                                              HttpHeaders headers, bool lists_events)
    : Exchange(connection),
      post_(post),
      headers_(std::move(headers)),
      lists_events_(lists_events),
      buffered_(connection.http_.budget(), [this] { GiveWay(); }) {
  ExpectStream();
}

void ClusterConnection::PostExchange::OnAnswer(const HttpHead& head) {
  is_stream_ = head.content_type == "text/event-stream";
  connection_.Perform(
      connection_.protocol_->OnPostHead(post_, head, connection_.event_loop_.Now()));
}

void ClusterConnection::PostExchange::OnBytes(std::string_view bytes) {
  if (is_stream_) {
    parser_->Put(bytes);
    buffered_.Set(parser_->buffered() + reply_.buffered());
    if (!resumed_ || connection_.protocol_->Awaits(post_)) return;
    // The reply was received, and the stream may have no end.
    const auto own = connection_.posts_.find(post_);
    if (own == connection_.posts_.end() || own->second.get() != this) return;
    Cancel();
    DestroyLater(connection_.event_loop_, std::move(own->second));
    connection_.posts_.erase(own);
  } else {
    reply_.Put(bytes);
    buffered_.Set(reply_.buffered());
  }
}

void ClusterConnection::PostExchange::GiveWay() {
  gave_way_ = oversize_ = true;
  reply_.Drop();
  parser_->DropEvent();
}

void ClusterConnection::PostExchange::OnEnd(const std::optional<ConnectionFailure>& failure) {
  if (!failure && !is_stream_) Forward(reply_.Take());
  ClusterConnection& connection = connection_;
  const PostId post = post_;
  const auto own = connection.posts_.find(post);
  if (own == connection.posts_.end()) return;
  if (!failure && ResumeReply()) return;
  DestroyLater(connection.event_loop_, std::move(own->second));
  connection.posts_.erase(own);
  const ConnectionFailure too_large{
      ErrorClass::kProtocol,
      std::string(gave_way_
                      ? "the answers under way were over the limit of 64 MiB in total, and this "
                        "was the largest"
                      : "the answer is over the limit of 16 MiB") +
          "; check that this is an MCP server",
      std::nullopt, false};
  connection.Perform(connection.protocol_->OnPostDone(
      post, !failure && oversize_ ? std::optional(too_large) : failure,
      connection.event_loop_.Now()));
}

void ClusterConnection::PostExchange::ExpectStream() {
  reply_.Take();  // drops what an earlier stream left
  parser_.emplace(SseParser::Handlers{
      .on_event =
          [this](const SseEvent& event) {
            ReplyReader::Reply reply = reply_.Take();
            if (IsMessage(event)) Forward(std::move(reply));
          },
      .on_retry = [this](std::chrono::milliseconds delay) { retry_ = Bounded(delay); },
      .on_oversize =
          [this] {
            reply_.Take();
            oversize_ = true;
          },
      .on_data = [this](std::string_view bytes) { reply_.Put(bytes); }});
}

void ClusterConnection::PostExchange::Forward(ReplyReader::Reply reply) {
  oversize_ = oversize_ || reply.oversize;
  if (reply.json.empty()) return;
  McpProtocol& protocol = *connection_.protocol_;
  if (reply.listed) protocol.OnListedEvents(*std::move(reply.listed));
  connection_.Perform(
      protocol.OnMessage(reply.json, MessageOrigin::kPost, connection_.event_loop_.Now()));
}

bool ClusterConnection::PostExchange::ResumeReply() {
  if (!is_stream_ || !connection_.protocol_->Awaits(post_)) return false;
  // A stream that ended without a new id cannot be resumed after the old one.
  const std::string last_event_id = parser_->last_event_id();
  if (last_event_id.empty()) return false;
  HttpRequest request = connection_.Request("GET", headers_, true);
  request.headers.emplace_back("Accept", "text/event-stream");
  request.headers.emplace_back("Last-Event-ID", last_event_id);
  ExpectStream();
  resumed_ = true;
  const Duration own = std::max<Duration>(connection_.options_.initial_delay, kShortestRetry);
  StartAfter(retry_.value_or(own), std::move(request));
  return true;
}

// --- StreamExchange -------------------------------------------------------------------------

ClusterConnection::StreamExchange::StreamExchange(ClusterConnection& connection,
                                                  bool carries_replies)
    : Exchange(connection),
      parser_({.on_event = [this](const SseEvent& event) { OnSse(event); },
               .on_retry =
                   [this](std::chrono::milliseconds delay) {
                     connection_.server_retry_ = Bounded(delay);
                   },
               .on_oversize =
                   [this] {
                     if (reply_) reply_->Take();
                     if (Current()) connection_.Perform(connection_.protocol_->OnOversize());
                   },
               .on_endless =
                   [this] {
                     if (!Current()) return;
                     connection_.Perform(
                         connection_.protocol_->OnEndlessLine(connection_.event_loop_.Now()));
                   },
               .on_data = carries_replies ? [this](std::string_view bytes) { reply_->Put(bytes); }
                                          : std::function<void(std::string_view)>()}),
      buffered_(connection.http_.budget(), [this] {
        parser_.DropEvent();
        if (reply_) reply_->Drop();
      }) {
  if (carries_replies) reply_.emplace(kMaxReply);
}

void ClusterConnection::StreamExchange::OnAnswer(const HttpHead& head) {
  is_stream_ = head.status == 200 && head.content_type == "text/event-stream";
  connection_.Perform(connection_.protocol_->OnStreamHead(head, connection_.event_loop_.Now()));
}

void ClusterConnection::StreamExchange::OnBytes(std::string_view bytes) {
  if (!is_stream_) return;
  parser_.Put(bytes);
  if (!Current()) return;
  buffered_.Set(parser_.buffered() + (reply_ ? reply_->buffered() : 0));
  const StreamActivity activity{parser_.comments(), parser_.events(), parser_.mid_event(),
                                parser_.last_event_id()};
  connection_.Perform(connection_.protocol_->OnActivity(activity, connection_.event_loop_.Now()));
}

void ClusterConnection::StreamExchange::OnEnd(const std::optional<ConnectionFailure>& failure) {
  if (!Current()) return;
  ClusterConnection& connection = connection_;
  DestroyLater(connection.event_loop_, std::move(connection.stream_));
  connection.Perform(connection.protocol_->OnStreamDone(failure, parser_.last_event_id(),
                                                        connection.event_loop_.Now()));
}

void ClusterConnection::StreamExchange::OnSse(const SseEvent& event) {
  if (!Current()) return;
  McpProtocol& protocol = *connection_.protocol_;
  const Instant now = connection_.event_loop_.Now();
  ReplyReader::Reply reply = reply_ ? reply_->Take() : ReplyReader::Reply{event.data, {}, false};
  if (event.type == "endpoint") {
    connection_.Perform(
        protocol.OnEndpoint(ResolveEndpoint(connection_.options_.endpoint, reply.json), now));
  } else if (IsMessage(event) && reply.oversize) {
    connection_.Perform(protocol.OnOversize());
  } else if (IsMessage(event)) {
    if (reply.listed) protocol.OnListedEvents(*std::move(reply.listed));
    connection_.Perform(protocol.OnMessage(reply.json, MessageOrigin::kStream, now));
  }
}

// --- DeleteExchange -------------------------------------------------------------------------

void ClusterConnection::DeleteExchange::OnEnd(const std::optional<ConnectionFailure>&) {
  DestroyLater(connection_.event_loop_, std::move(connection_.delete_request_));
  if (const auto closed = std::exchange(connection_.closed_, nullptr)) closed();
}

}  // namespace runner::ingest
