#include "ingest/mcp/protocol/mcp_session.h"

#include <algorithm>
#include <utility>

#include "ingest/mcp/protocol/failure_text.h"
#include "ingest/mcp/protocol/jsonrpc.h"

namespace runner::ingest {
namespace {

constexpr std::int64_t kMethodNotFound = -32601;
constexpr std::size_t kMaxReplies = 4;  // to requests of the server, under way at once
// One comment is a greeting; who shows two means to go on.
constexpr std::uint64_t kCommentsOfKeepalive = 2;

bool IsSuccess(const HttpHead& head) { return head.status >= 200 && head.status < 300; }

}  // namespace

McpSession::McpSession(McpSessionOptions options, EventHistory& history)
    : options_(std::move(options)),
      history_(history),
      reader_(options_.reader ? options_.reader : std::make_shared<JsonRpcReader>()),
      mode_(options_.mode),
      legacy_(options_.transport == Transport::kSse),
      tools_(options_.subscribe_tool, options_.events_tool) {}

// --- inputs ---------------------------------------------------------------------------------

SourceActions McpSession::Start(const Instant& now) {
  if (legacy_) {
    Begin(Phase::kAwaitingEndpoint, now);
  } else {
    BeginInitialize(now);
  }
  return TakeActions();
}

SourceActions McpSession::Resume(const Instant& now) {
  resuming_ = true;
  Begin(Phase::kOpeningStream, now);
  return TakeActions();
}

SourceActions McpSession::Close(const Instant& now) {
  NoteGap(now.wall);  // perhaps another session follows
  DropRequest();
  CloseTheStream();
  if (!session_id_.empty() && phase_ != Phase::kEnded) {
    actions_.push_back(DeleteSession{SessionHeaders()});
  }
  phase_ = Phase::kEnded;
  return TakeActions();
}

SourceActions McpSession::OnMessage(std::string_view text, MessageOrigin origin,
                                    const Instant& now) {
  if (phase_ == Phase::kEnded || text.empty()) listed_.reset();
  if (phase_ == Phase::kEnded) return {};
  if (text.empty()) return {};  // an event that only carried an id
  if (origin == MessageOrigin::kStream) {
    stream_.told = now.mono;
    stream_.heard = now.wall;
  }
  for (const JsonRpcMessage& message : reader_->Read(text)) {
    if (phase_ == Phase::kEnded) break;  // a message before it in the batch has ended the session
    if (const auto* response = std::get_if<JsonRpcResponse>(&message)) {
      OnResponse(*response, now);
    } else if (const auto* request = std::get_if<JsonRpcRequest>(&message)) {
      Answer(*request);
    } else if (const auto* notification = std::get_if<JsonRpcNotification>(&message)) {
      OnNotification(*notification, now);
    } else if (origin == MessageOrigin::kStream) {
      const std::string& what = std::get<JsonRpcInvalid>(message).what;
      actions_.push_back(DeliverEvent{InvalidEvent{"json", what, std::nullopt}});
    }
  }
  listed_.reset();
  reader_->Trim();
  return TakeActions();
}

// A server that asks faster than it takes the answers gets no more of them.
void McpSession::Answer(const JsonRpcRequest& request) {
  if (phase_ == Phase::kAwaitingEndpoint) return;  // it is not known where to
  if (replies_.size() >= kMaxReplies) return;
  replies_.insert(Send(request.method == "ping"
                           ? MakeResult(request.id, Json::object())
                           : MakeError(request.id, kMethodNotFound, "method not found")));
}

SourceActions McpSession::OnOversize() {
  actions_.push_back(DeliverEvent{InvalidEvent{"oversize", "message over the limit", {}}});
  return TakeActions();
}

SourceActions McpSession::OnEndlessLine(const Instant&) {
  if (phase_ == Phase::kEnded || phase_ == Phase::kSuspended) return {};
  actions_.push_back(DeliverEvent{InvalidEvent{"oversize", "a line without an end", {}}});
  last_event_id_.clear();  // the server would send the same again
  const ConnectionFailure failure{
      ErrorClass::kProtocol, "a line of the stream is over the limit", {}, false};
  if (phase_ == Phase::kSubscribed && !NeedsStream()) {
    CloseTheStream();
  } else {
    Suspend(failure);
  }
  return TakeActions();
}

SourceActions McpSession::OnActivity(const StreamActivity& pulse, const Instant& now) {
  stream_.heard = now.wall;
  if (!pulse.last_event_id.empty()) last_event_id_ = pulse.last_event_id;
  const StreamActivity before = std::exchange(stream_.pulse, pulse);
  const bool told = pulse.comments != before.comments || pulse.events != before.events;
  if (told) stream_.told = now.mono;
  const bool begins = pulse.events != before.events || !before.mid_event;
  if (pulse.mid_event && begins) stream_.event_began = now.mono;
  return TakeActions();
}

SourceActions McpSession::OnPostHead(PostId post, const HttpHead& head, const Instant& now) {
  const bool awaited = request_ && request_->post == post;
  // The stream of HTTP with SSE may have ended the session meanwhile.
  const bool confirms = phase_ == Phase::kConfirming && post == confirmation_;
  if (!awaited && !confirms) return {};
  if (!IsSuccess(head)) {
    if (phase_ == Phase::kInitializing) {
      OnInitializeRefused(FailureOf(head, "POST"), head.status, now);
    } else {
      OnRequestFailed(awaited ? request_->purpose : Purpose::kStep, FailureOf(head, "POST"), now);
    }
  } else if (awaited && !legacy_ && head.content_type != "application/json" &&
             head.content_type != "text/event-stream") {
    Fail(ErrorClass::kProtocol,
         DescribeWrongType(head, "POST", "application/json or text/event-stream"));
  } else if (phase_ == Phase::kInitializing && !legacy_ && !head.session_id.empty()) {
    session_id_ = head.session_id;
  }
  return TakeActions();
}

SourceActions McpSession::OnPostDone(PostId post, const std::optional<ConnectionFailure>& failure,
                                     const Instant& now) {
  replies_.erase(post);
  if (request_ && request_->post == post) {
    if (legacy_ && !failure) return {};  // the reply comes on the stream
    const ConnectionFailure no_reply{
        ErrorClass::kProtocol, "the answer holds no reply to the request", {}, false};
    OnRequestFailed(request_->purpose, failure.value_or(no_reply), now);
  } else if (post == confirmation_ && phase_ == Phase::kConfirming) {
    if (failure) {
      Fail(*failure);
    } else if (stream_.open) {
      AfterStream(now);
    } else {
      Begin(Phase::kOpeningStream, now);
    }
  }
  return TakeActions();
}

SourceActions McpSession::OnStreamHead(const HttpHead& head, const Instant& now) {
  if (!stream_.open || stream_.answered) return TakeActions();
  if (head.status != 200 || head.content_type != "text/event-stream") {
    OnStreamRefused(head, now);
    return TakeActions();
  }
  stream_.answered = true;
  stream_.opened = stream_.told = now.mono;
  stream_.heard = now.wall;
  replayed_ = resuming_ && !last_event_id_.empty();
  if (phase_ != Phase::kOpeningStream) {
    // The stream of a poll, or one that has yet to tell where to post.
  } else if (std::exchange(resuming_, false) && can_list_) {
    Begin(Phase::kVerifying, now);
  } else {
    AfterStream(now);
  }
  return TakeActions();
}

SourceActions McpSession::OnStreamDone(const std::optional<ConnectionFailure>& failure,
                                       const std::string& last_event_id, const Instant& now) {
  if (!std::exchange(stream_.open, false)) return {};
  if (!last_event_id.empty()) last_event_id_ = last_event_id;
  const ConnectionFailure why = failure.value_or(
      ConnectionFailure{ErrorClass::kStreamClosed, "the server ended the stream", {}, false});
  if (phase_ == Phase::kSubscribed) {
    if (!NeedsStream()) return {};
    replay_covers_gap_ = !history_.HasGap();
    Suspend(why, now.wall);
  } else if (phase_ == Phase::kOpeningStream && mode_ == SourceMode::kPoll && !legacy_) {
    GoOnWithoutStream(now);
  } else if (NeedsStream() || phase_ == Phase::kOpeningStream) {
    Fail(why);  // in auto, it may be a server that pushes
  }
  return TakeActions();
}

SourceActions McpSession::OnTimer(const Instant& now) {
  if (!pending_.empty()) {
    DeliverPending();
  } else if (request_ && request_->deadline <= now.mono) {
    OnRequestExpired(now);
  } else if (phase_ == Phase::kAwaitingEndpoint && endpoint_due_ <= now.mono) {
    Fail(ErrorClass::kTimeout, "the stream does not tell where to post");
  } else if (const auto due = StreamDeadline(); due && *due <= now.mono) {
    OnStreamDeadline(now);
  } else if (const auto task = TaskDeadline(); task && *task <= now.mono) {
    check_due_ = last_checked_ + options_.ping_interval <= now.mono;
    NextTask(now);
  }
  return TakeActions();
}

std::optional<MonoTime> McpSession::NextDeadline() const {
  if (phase_ == Phase::kAwaitingEndpoint) return endpoint_due_;
  std::optional<MonoTime> next;
  const auto consider = [&next](std::optional<MonoTime> due) {
    if (due && (!next || *due < *next)) next = due;
  };
  if (!pending_.empty()) consider(pending_since_.mono);
  if (request_) consider(request_->deadline);
  consider(StreamDeadline());
  consider(TaskDeadline());
  return next;
}

// When the stream, as far as it is known, has failed or is due for another.
std::optional<MonoTime> McpSession::StreamDeadline() const {
  if (phase_ != Phase::kSubscribed || !IsPush() || !stream_.answered) return std::nullopt;
  std::optional<MonoTime> due;
  if (stream_.pulse.mid_event) due = stream_.event_began + options_.idle_timeout;
  if (PromisesComments()) {
    due = std::min(due.value_or(MonoTime::max()), stream_.told + options_.idle_timeout);
  } else if (options_.max_stream_age > Duration::zero() && !request_ && !legacy_) {
    due = std::min(due.value_or(MonoTime::max()), stream_.opened + options_.max_stream_age);
  }
  return due;
}

bool McpSession::PromisesComments() const { return stream_.pulse.comments >= kCommentsOfKeepalive; }

// When something is to be asked.
std::optional<MonoTime> McpSession::TaskDeadline() const {
  if (phase_ != Phase::kSubscribed || request_) return std::nullopt;
  if (!IsPush()) return next_poll_;
  const MonoTime check = last_checked_ + options_.ping_interval;
  return OwesBackfill() ? std::min(check, next_backfill_) : check;
}

bool McpSession::OwesBackfill() const {
  return options_.backfill && can_list_events_ && history_.HasGap();
}

// --- sending and ending ---------------------------------------------------------------------

void McpSession::SendRequest(std::string_view method, Json params, Purpose purpose,
                             const Instant& now) {
  const std::int64_t id = ++last_id_;
  const bool list = purpose == Purpose::kPoll || purpose == Purpose::kBackfill;
  const PostId post = Send(MakeRequest(id, method, std::move(params)),
                           list ? std::optional(options_.list_timeout) : std::nullopt);
  const Duration timeout = list ? options_.list_timeout : options_.request_timeout;
  request_ = Request{id, post, now.mono + timeout, purpose};
}

void McpSession::CallTool(EventTool tool, Json arguments, Purpose purpose, const Instant& now) {
  SendRequest("tools/call", {{"name", tools_.Of(tool)}, {"arguments", std::move(arguments)}},
              purpose, now);
}

PostId McpSession::Send(std::string body, std::optional<Duration> list_timeout) {
  actions_.push_back(
      PostMessage{++last_post_, std::move(body), SessionHeaders(), post_url_, list_timeout});
  return last_post_;
}

HttpHeaders McpSession::SessionHeaders() const {
  HttpHeaders headers;
  if (legacy_) return headers;
  if (!session_id_.empty()) headers.emplace_back("Mcp-Session-Id", session_id_);
  if (!protocol_version_.empty()) headers.emplace_back("MCP-Protocol-Version", protocol_version_);
  return headers;
}

void McpSession::OpenTheStream(HttpHeaders headers) {
  stream_ = Stream();
  stream_.open = true;
  actions_.push_back(OpenStream{std::move(headers), legacy_});
}

void McpSession::CloseTheStream() {
  if (std::exchange(stream_.open, false)) actions_.push_back(CloseStream{});
}

// A stream that is seen to end was there until then, as far as anybody can tell; otherwise what was
// pushed since the subscription was last seen is lost. The answers to POSTs tell nothing of the
// stream, so what was pushed since it was last heard may be lost as well.
void McpSession::NoteGap(std::optional<WallTime> stream_ended) {
  FlushPending();
  if (!std::exchange(announced_, false) || !IsPush()) return;
  history_.OnGap(stream_ended.value_or(last_proof_));
  history_.OnSuspectedGap(std::min(last_proof_, stream_.heard));
}

void McpSession::Suspend(ConnectionFailure failure, std::optional<WallTime> stream_ended) {
  // Over HTTP with SSE the stream is the session.
  if (legacy_ || !announced_) return Fail(std::move(failure), stream_ended);
  NoteGap(stream_ended);
  DropRequest();
  CloseTheStream();
  phase_ = Phase::kSuspended;
  actions_.push_back(ConnectionLost{std::move(failure), true});
}

void McpSession::Fail(ErrorClass error, std::string detail) {
  Fail({error, std::move(detail), std::nullopt, false});
}

void McpSession::Fail(ConnectionFailure failure, std::optional<WallTime> stream_ended) {
  NoteGap(stream_ended);
  replies_.clear();
  DropRequest();
  CloseTheStream();
  if (!session_id_.empty() && failure.error != ErrorClass::kSessionExpired) {
    actions_.push_back(DeleteSession{SessionHeaders()});
  }
  phase_ = Phase::kEnded;
  if (refusal_ && protocol_version_.empty()) {
    // Neither transport: what the first said is what counts.
    refusal_->detail = DescribeBoth(std::move(refusal_->detail), failure.detail);
    failure = *std::move(refusal_);
  }
  actions_.push_back(ConnectionLost{std::move(failure), false});
}

void McpSession::DropRequest() {
  if (request_) actions_.push_back(CancelPost{request_->post});
  request_.reset();
}

ConnectionFailure McpSession::FailureOf(const HttpHead& head, std::string_view what) const {
  ConnectionFailure failure;
  failure.detail = DescribeRefusal(head, what, !session_id_.empty() || !post_url_.empty());
  failure.retry_after = head.retry_after;
  if (head.status == 401 || head.status == 403) {
    failure.error = ErrorClass::kAuth;
    failure.retry_slowly = true;
  } else if (head.status >= 500 || head.status == 429) {
    failure.error = ErrorClass::kServer;
  } else if (head.status == 404 && (!session_id_.empty() || !post_url_.empty())) {
    failure.error = ErrorClass::kSessionExpired;
  } else {
    failure.error = ErrorClass::kProtocol;
    failure.retry_slowly = head.status == 404 || (head.status >= 300 && head.status < 400);
  }
  return failure;
}

SourceActions McpSession::TakeActions() { return std::exchange(actions_, {}); }

}  // namespace runner::ingest
