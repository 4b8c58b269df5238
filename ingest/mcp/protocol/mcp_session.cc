#include "ingest/mcp/protocol/mcp_session.h"

#include <utility>
#include <variant>

#include "ingest/mcp/protocol/failure_text.h"
#include "ingest/mcp/protocol/jsonrpc.h"

namespace runner::ingest {

McpSession::McpSession(McpSessionOptions options, EventHistory& history)
    : options_(std::move(options)),
      reader_(options_.reader ? options_.reader : std::make_shared<JsonRpcReader>()),
      channel_(options_.transport, options_.request_timeout),
      handshake_(options_, channel_),
      subscription_(options_, channel_, history) {}

// --- beginning and end ----------------------------------------------------------------------

McpActions McpSession::Start(const Instant& now) {
  Follow(handshake_.Start(now), now);
  return channel_.TakeActions();
}

McpActions McpSession::Resume(const Instant&) {
  stage_ = Stage::kSubscription;
  subscription_.Reopen();
  return channel_.TakeActions();
}

McpActions McpSession::Close(const Instant& now) {
  if (stage_ == Stage::kEnded) return {};
  subscription_.End(now.wall);  // another session may follow
  channel_.CancelRequest();
  channel_.CloseStream();
  channel_.EmitDelete();
  stage_ = Stage::kEnded;
  return channel_.TakeActions();
}

void McpSession::Follow(McpHandshake::Progress progress, const Instant& now) {
  if (auto* failure = std::get_if<ConnectionFailure>(&progress)) {
    Fail(std::move(*failure));
  } else if (std::holds_alternative<McpHandshake::Done>(progress)) {
    stage_ = Stage::kSubscription;
    Follow(subscription_.Begin(handshake_.terms(), now), now);
  }
}

void McpSession::Follow(McpSubscription::Progress progress, const Instant& now) {
  if (auto* lost = std::get_if<McpSubscription::Lost>(&progress)) {
    Lose(std::move(*lost));
  } else if (std::holds_alternative<McpSubscription::NeedsLevel>(progress)) {
    stage_ = Stage::kHandshake;
    Follow(handshake_.SetLevel(now), now);
  } else if (std::holds_alternative<McpSubscription::NeedsTools>(progress)) {
    stage_ = Stage::kHandshake;
    Follow(handshake_.ListTools(now), now);
  }
}

void McpSession::Lose(McpSubscription::Lost lost) {
  subscription_.End(lost.stream_ended);
  channel_.CancelRequest();
  channel_.CloseStream();
  if (lost.resumable) {
    stage_ = Stage::kSuspended;
  } else {
    stage_ = Stage::kEnded;
    if (lost.failure.error != ErrorClass::kSessionExpired) channel_.EmitDelete();
    lost.failure = handshake_.Explain(std::move(lost.failure));
  }
  channel_.Emit(ConnectionLost{std::move(lost.failure), lost.resumable});
}

// --- messages -------------------------------------------------------------------------------

McpActions McpSession::OnMessage(std::string_view text, MessageOrigin origin, const Instant& now) {
  std::optional<EventList> listed = std::exchange(listed_, std::nullopt);
  if (stage_ == Stage::kEnded) return {};
  if (text.empty()) return {};  // an event that only carried an id
  if (origin == MessageOrigin::kStream) channel_.stream().OnMessage(now);
  for (const JsonRpcMessage& message : reader_->Read(text)) {
    if (stage_ == Stage::kEnded) break;  // an earlier message of the batch has ended the session
    if (const auto* response = std::get_if<JsonRpcResponse>(&message)) {
      OnResponse(*response, listed, now);
    } else if (const auto* request = std::get_if<JsonRpcRequest>(&message)) {
      channel_.Answer(*request);
    } else if (const auto* notification = std::get_if<JsonRpcNotification>(&message)) {
      Follow(subscription_.OnNotification(*notification, now), now);
    } else if (origin == MessageOrigin::kStream) {
      const std::string& what = std::get<JsonRpcInvalid>(message).what;
      channel_.Emit(DeliverEvent{InvalidEvent{"json", what, std::nullopt}});
    }
  }
  reader_->Trim();
  return channel_.TakeActions();
}

void McpSession::OnResponse(const JsonRpcResponse& response, std::optional<EventList>& listed,
                            const Instant& now) {
  if (!channel_.TakeReply(response.id)) return;  // late, or to no request of this session
  if (stage_ == Stage::kHandshake) {
    Follow(handshake_.OnReply(response, now), now);
  } else {
    Follow(subscription_.OnReply(response, listed, now), now);
  }
}

McpActions McpSession::OnOversize() {
  channel_.Emit(DeliverEvent{InvalidEvent{"oversize", "message over the limit", {}}});
  return channel_.TakeActions();
}

McpActions McpSession::OnEndpoint(const std::optional<std::string>& url, const Instant& now) {
  if (stage_ == Stage::kHandshake) Follow(handshake_.OnEndpoint(url, now), now);
  return channel_.TakeActions();
}

// --- POSTs ----------------------------------------------------------------------------------

McpActions McpSession::OnPostHead(PostId post, const HttpHead& head, const Instant& now) {
  const bool awaited = channel_.Awaits(post);
  const bool confirms = stage_ == Stage::kHandshake && handshake_.Confirms(post);
  if (!awaited && !confirms) return {};
  if (!IsSuccess(head)) {
    OnRequestFailed(channel_.Refusal(head, "POST"), head.status, now);
  } else if (awaited && !channel_.legacy() && head.content_type != "application/json" &&
             head.content_type != "text/event-stream") {
    Fail({ErrorClass::kProtocol,
          DescribeWrongType(head, "POST", "application/json or text/event-stream"),
          {},
          false});
  } else if (stage_ == Stage::kHandshake) {
    handshake_.OnAccepted(head.session_id);
  }
  return channel_.TakeActions();
}

McpActions McpSession::OnPostDone(PostId post, const std::optional<ConnectionFailure>& failure,
                                  const Instant& now) {
  channel_.OnPostDone(post);
  if (channel_.Awaits(post)) {
    if (channel_.legacy() && !failure) return {};  // the reply comes on the stream
    const ConnectionFailure no_reply{
        ErrorClass::kProtocol, "the answer contains no reply to the request", {}, false};
    OnRequestFailed(failure.value_or(no_reply), 0, now);
  } else if (stage_ == Stage::kHandshake && handshake_.Confirms(post)) {
    if (failure) {
      Fail(*failure);
    } else {
      Follow(handshake_.OnConfirmed(now), now);
    }
  }
  return channel_.TakeActions();
}

void McpSession::OnRequestFailed(ConnectionFailure failure, int status, const Instant& now) {
  if (stage_ == Stage::kHandshake) {
    Follow(handshake_.OnRequestFailed(std::move(failure), status, now), now);
  } else {
    Follow(subscription_.OnRequestFailed(std::move(failure), now), now);
  }
}

// --- the stream -----------------------------------------------------------------------------

McpActions McpSession::OnStreamHead(const HttpHead& head, const Instant& now) {
  McpStream& stream = channel_.stream();
  if (!stream.open() || stream.accepted()) return {};
  const bool accepted = head.status == 200 && head.content_type == "text/event-stream";
  if (accepted) stream.OnAccepted(now);
  if (stage_ == Stage::kHandshake) {
    Follow(accepted ? handshake_.OnStreamAccepted(now) : handshake_.OnStreamRefused(head, now),
           now);
  } else {
    Follow(accepted ? subscription_.OnStreamAccepted(now) : subscription_.OnStreamRefused(head),
           now);
  }
  return channel_.TakeActions();
}

McpActions McpSession::OnActivity(const StreamActivity& activity, const Instant& now) {
  channel_.stream().OnActivity(activity, now);
  return channel_.TakeActions();
}

McpActions McpSession::OnEndlessLine(const Instant& now) {
  if (stage_ == Stage::kSuspended || stage_ == Stage::kEnded) return {};
  Follow(subscription_.OnEndlessLine(), now);
  return channel_.TakeActions();
}

McpActions McpSession::OnStreamDone(const std::optional<ConnectionFailure>& failure,
                                    const std::string& last_event_id, const Instant& now) {
  if (!channel_.stream().Close()) return {};
  if (!last_event_id.empty()) channel_.stream().set_last_event_id(last_event_id);
  ConnectionFailure why = failure.value_or(
      ConnectionFailure{ErrorClass::kStreamClosed, "the server ended the stream", {}, false});
  if (stage_ == Stage::kHandshake) {
    Follow(handshake_.OnStreamDone(std::move(why), now), now);
  } else {
    Follow(subscription_.OnStreamDone(std::move(why), now), now);
  }
  return channel_.TakeActions();
}

// --- time -----------------------------------------------------------------------------------

McpActions McpSession::OnTimer(const Instant& now) {
  if (subscription_.DeliverPending()) return channel_.TakeActions();
  if (const auto due = channel_.RequestDeadline(); due && *due <= now.mono) {
    ConnectionFailure failure = channel_.ExpireRequest();
    if (stage_ == Stage::kHandshake) {
      Fail(std::move(failure));
    } else {
      Follow(subscription_.OnRequestExpired(std::move(failure), now), now);
    }
  } else if (stage_ == Stage::kHandshake) {
    Follow(handshake_.OnTimer(now), now);
  } else if (stage_ == Stage::kSubscription) {
    Follow(subscription_.OnTimer(now), now);
  }
  return channel_.TakeActions();
}

std::optional<MonoTime> McpSession::NextDeadline() const {
  std::optional<MonoTime> next;
  const auto consider = [&next](std::optional<MonoTime> due) {
    if (due && (!next || *due < *next)) next = due;
  };
  consider(channel_.RequestDeadline());
  consider(subscription_.NextDeadline());
  if (stage_ == Stage::kHandshake) consider(handshake_.NextDeadline());
  return next;
}

}  // namespace runner::ingest
