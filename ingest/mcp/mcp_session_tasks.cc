// What a session does while it is subscribed: it hears, checks, polls and looks back.

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "common/utf8.h"
#include "ingest/mcp/event_list.h"
#include "ingest/mcp/json_members.h"
#include "ingest/mcp/jsonrpc.h"
#include "ingest/mcp/mcp_session.h"
#include "ingest/mcp/tool_result.h"

namespace runner::ingest {
namespace {

constexpr int kUnansweredAllowed = 2;  // the last of them ends the session
constexpr int kBackfillsAllowed = 2;

// Nothing when there is no text: a server without events says so.
std::optional<std::vector<ClusterEvent>> EventsOf(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return ReadEventList(text);
}

DecodedEvent Checked(FaultEvent event) {
  if (auto invalid = Normalize(event)) return *std::move(invalid);
  return event;
}

}  // namespace

void McpSession::NextTask(const Instant& now) {
  if (phase_ != Phase::kSubscribed || request_) return;
  if (!IsPush()) {
    if (next_poll_ > now.mono) return;
    if (!stream_.open && !stream_refused_ && !legacy_) {
      // Only the server's own requests come on it, and it may end it when it likes.
      OpenTheStream(SessionHeaders());
    }
    ListEvents(Purpose::kPoll, now);
  } else if (std::exchange(check_due_, false)) {
    Check(now);
  } else if (OwesBackfill() && next_backfill_ <= now.mono) {
    ListEvents(Purpose::kBackfill, now);
  }
}

void McpSession::Check(const Instant& now) {
  if (can_list_) {
    CallTool("events_list_subscriptions", Json::object(), Purpose::kCheck, now);
  } else {
    SendRequest("ping", Json::object(), Purpose::kPing, now);
  }
}

void McpSession::ListEvents(Purpose purpose, const Instant& now) {
  Json arguments = Json::object();
  if (can_select_) arguments["fieldSelector"] = "type=Warning";
  CallTool("events_list", std::move(arguments), purpose, now);
}

// --- replies --------------------------------------------------------------------------------

void McpSession::OnResponse(const JsonRpcResponse& response, const Instant& now) {
  if (!request_ || request_->id != response.id) return;  // late, or none of ours
  const Purpose purpose = std::exchange(request_, std::nullopt)->purpose;
  switch (purpose) {
    case Purpose::kStep:
      return OnStepReply(response, now);
    case Purpose::kPing:
      unanswered_ = 0;
      last_checked_ = now.mono;
      return NextTask(now);
    case Purpose::kCheck:
      return OnCheckReply(response, now);
    case Purpose::kBackfill:
    case Purpose::kPoll:
      return OnEventList(response, purpose, now);
  }
}

void McpSession::OnCheckReply(const JsonRpcResponse& response, const Instant& now) {
  const bool verifying = phase_ == Phase::kVerifying;
  if (ToolFailed(response)) {
    if (!ToolUnknown(response)) {
      return OnRequestFailed(Purpose::kCheck,
                             {ErrorClass::kSubscription,
                              "events_list_subscriptions: " + FailureText(response),
                              {},
                              false},
                             now);
    }
    can_list_ = false;
    last_checked_ = now.mono;
    return verifying ? BeginSubscribing(now) : NextTask(now);
  }
  unanswered_ = 0;
  last_checked_ = now.mono;
  if (NamesSubscription(ToolText(response.result), subscription_id_)) {
    last_proof_ = now.wall;
    if (!verifying) return NextTask(now);
    if (replayed_ && replay_covers_gap_) history_.ForgetGap();
    BecomeSubscribed(now);
  } else if (verifying) {
    if (announced_) {
      history_.OnGap(last_proof_);
      actions_.push_back(SourceWarning{"Subscription lost, renewing", "the server has dropped it"});
    }
    Begin(Phase::kSubscribing, now);
  } else {
    Suspend({ErrorClass::kSubscription, "the server has dropped the subscription", {}, false});
  }
}

void McpSession::OnEventList(const JsonRpcResponse& response, Purpose purpose, const Instant& now) {
  std::string wrong;
  if (ToolFailed(response)) {
    wrong = FailureText(response);
    // Not every server takes the argument; what is not selected there is left out here.
    if (std::exchange(can_select_, !can_select_)) return ListEvents(purpose, now);
    if (ToolUnknown(response)) can_list_events_ = false;
  } else if (auto listed = EventsOf(ToolText(response.result))) {
    if (listed->size() == kMaxListedEvents) {
      actions_.push_back(SourceWarning{"List of events is cut", "more than 10000 events"});
    }
    std::erase_if(*listed, [](const ClusterEvent& event) { return event.type != "Warning"; });
    return purpose == Purpose::kPoll ? TakePolled(*std::move(listed), now)
                                     : TakeBackfilled(*std::move(listed), now);
  } else {
    wrong = "the answer is no list of events";
  }
  OnRequestFailed(purpose,
                  {can_list_events_ ? ErrorClass::kServer : ErrorClass::kSubscription,
                   "events_list: " + wrong,
                   {},
                   !can_list_events_},
                  now);
}

void McpSession::TakePolled(std::vector<ClusterEvent> listed, const Instant& now) {
  unanswered_ = 0;
  next_poll_ = now.mono + options_.poll_interval;
  if (phase_ == Phase::kFirstPoll) BecomeSubscribed(now);
  for (const ClusterEvent& event : history_.TakeNew(std::move(listed), now.wall)) {
    actions_.push_back(DeliverEvent{Checked(ToFault(event, now.wall)), false});
  }
}

void McpSession::TakeBackfilled(std::vector<ClusterEvent> listed, const Instant& now) {
  backfills_failed_ = 0;
  for (const ClusterEvent& event : history_.TakeMissed(std::move(listed), now.wall)) {
    FaultEvent fault = ToFault(event, now.wall);
    if (mode_ == SourceMode::kFaults) fault.fault_type = FaultTypeOf(event).value_or(event.reason);
    actions_.push_back(DeliverEvent{Checked(std::move(fault)), true});
  }
  NextTask(now);
}

void McpSession::OnBackfillFailed(const std::string& detail, const Instant& now) {
  next_backfill_ = now.mono + options_.ping_interval;
  if (can_list_events_ && ++backfills_failed_ < kBackfillsAllowed) return;
  backfills_failed_ = 0;
  history_.ForgetGap();
  actions_.push_back(SourceWarning{"Events of a gap are lost", detail});
}

// --- failures -------------------------------------------------------------------------------

void McpSession::OnRequestFailed(Purpose purpose, ConnectionFailure failure, const Instant& now) {
  DropRequest();
  const bool session_is_gone = failure.error == ErrorClass::kSessionExpired;
  if (phase_ != Phase::kSubscribed || session_is_gone) return Fail(std::move(failure));
  if (purpose == Purpose::kBackfill) return OnBackfillFailed(failure.detail, now);
  if (++unanswered_ >= kUnansweredAllowed) return Fail(std::move(failure));
  last_checked_ = now.mono;  // once more after the next interval
  next_poll_ = now.mono + options_.poll_interval;
}

void McpSession::OnRequestExpired(const Instant& now) {
  const Request expired = *request_;
  DropRequest();
  if (phase_ != Phase::kInitializing) {
    Send(MakeNotification("notifications/cancelled",
                          {{"requestId", expired.id}, {"reason", "no answer in time"}}));
  }
  const bool checking = expired.purpose == Purpose::kCheck || expired.purpose == Purpose::kPing;
  if (checking && unanswered_ + 1 < kUnansweredAllowed) {
    ++unanswered_;
    return Check(now);
  }
  OnRequestFailed(expired.purpose,
                  {ErrorClass::kTimeout, "no answer within the time limit of a request", {}, false},
                  now);
}

void McpSession::OnStreamDeadline(const Instant& now) {
  if (stream_.pulse.mid_event && stream_.event_began + options_.idle_timeout <= now.mono) {
    return Suspend(
        {ErrorClass::kTimeout, "an event of the stream does not come to its end", {}, false});
  }
  if (PromisesComments() && stream_.told + options_.idle_timeout <= now.mono) {
    history_.OnGap(stream_.heard);
    return Suspend({ErrorClass::kTimeout, "the stream has fallen silent", {}, false});
  }
  RenewStream(now);
}

// A stream that shows nothing may be one whose server is long gone.
void McpSession::RenewStream(const Instant& now) {
  history_.OnSuspectedGap(stream_.heard);
  CloseTheStream();
  resuming_ = true;
  Begin(Phase::kOpeningStream, now);
}

// --- notifications --------------------------------------------------------------------------

void McpSession::OnNotification(const JsonRpcNotification& notification, const Instant& now) {
  if (notification.method != "notifications/message") return;
  const JsonMembers params(notification.params, {"logger", "data"});
  const std::string_view logger = params.Text("logger");
  if (!params.ambiguity().empty()) {
    actions_.push_back(DeliverEvent{InvalidEvent{"json", params.ambiguity(), std::nullopt}});
  } else if (logger == "kubernetes/faults") {
    Push(DecodeFault(params["data"], now.wall), now);
  } else if (logger == "kubernetes/events" && mode_ == SourceMode::kEvents) {
    Push(DecodeClusterEvent(params["data"], now.wall), now);
  } else if (logger == "kubernetes/subscription_error") {
    const std::string detail = TruncateUtf8(JsonText(params["data"]), 1000);
    actions_.push_back(SourceWarning{"Subscription degraded", detail});
    check_due_ = IsPush();
    NextTask(now);
  }
}

void McpSession::Push(DecodedEvent event, const Instant& now) {
  if (const auto* fault = std::get_if<FaultEvent>(&event)) {
    history_.OnPushed(fault->resource, now.wall);
    last_checked_ = now.mono;  // what is pushed to is subscribed
    last_proof_ = now.wall;
  }
  actions_.push_back(DeliverEvent{std::move(event), false});
}

}  // namespace runner::ingest
