// What a session does while it is subscribed: it hears, checks, polls and looks back.

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "common/base/utf8.h"
#include "ingest/mcp/protocol/event_list.h"
#include "ingest/mcp/protocol/json_members.h"
#include "ingest/mcp/protocol/jsonrpc.h"
#include "ingest/mcp/protocol/mcp_session.h"
#include "ingest/mcp/protocol/tool_result.h"

namespace runner::ingest {
namespace {

constexpr int kUnansweredAllowed = 2;  // the last of them ends the session
// Tries of a backfill, at first in the interval of checks, then in the longest one: more than an
// hour in all, after which Kubernetes forgets events by default.
constexpr int kBackfillsAllowed = 20;
constexpr Duration kLongestBackfillDelay = std::chrono::minutes(5);
// A server that loses the Kubernetes API goes on trying for some time before it gives up its watch.
constexpr std::chrono::minutes kWatchGivenUpAfter{1};

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
  } else if (std::exchange(renewal_due_, false)) {
    renewed_ = now.mono;
    check_due_ = false;
    Begin(Phase::kUnsubscribing, now);
  } else if (std::exchange(check_due_, false)) {
    Check(now);
  } else if (OwesBackfill() && next_backfill_ <= now.mono) {
    ListEvents(Purpose::kBackfill, now);
  }
}

void McpSession::Check(const Instant& now) {
  if (!legacy_ && session_id_.empty() && !pushed_) {
    actions_.push_back(SourceWarning{
        "Server without sessions pushes nothing",
        "the server gave no Mcp-Session-Id and has pushed no event; start the server without its "
        "stateless mode, or set mode: poll for this cluster",
        true});
  }
  if (can_list_) {
    CallTool(EventTool::kListSubscriptions, Json::object(), Purpose::kCheck, now);
  } else {
    SendRequest("ping", Json::object(), Purpose::kPing, now);
  }
}

void McpSession::ListEvents(Purpose purpose, const Instant& now) {
  Json arguments = Json::object();
  if (can_select_) arguments["fieldSelector"] = "type=Warning";
  CallTool(EventTool::kList, std::move(arguments), purpose, now);
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
      return OnRequestFailed(
          Purpose::kCheck,
          {ErrorClass::kSubscription,
           tools_.Of(EventTool::kListSubscriptions) + ": " + FailureText(response),
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
  const SubscriptionState state = StateOfSubscription(ToolText(response.result), subscription_id_);
  if (state == SubscriptionState::kActive) {
    last_proof_ = now.wall;
    if (!verifying) return NextTask(now);
    if (replayed_ && replay_covers_gap_) history_.ForgetGap();
    BecomeSubscribed(now);
  } else if (state == SubscriptionState::kDegraded) {
    actions_.push_back(SourceWarning{"Subscription degraded", "the server has given up its watch"});
    OnDegraded(now);
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

// Its server lists the subscription, and nothing comes by it any more.
void McpSession::OnDegraded(const Instant& now) {
  history_.OnGap(last_proof_ - kWatchGivenUpAfter);
  if (renewed_ && now.mono < *renewed_ + options_.ping_interval) {
    return Fail(ErrorClass::kSubscription, "the renewed subscription is degraded as well");
  }
  // A list that was asked for before does not show what fails until the renewal.
  if (request_ && request_->purpose == Purpose::kBackfill) DropRequest();
  renewal_due_ = true;
  phase_ = Phase::kSubscribed;  // or it was verified
  NextTask(now);
}

void McpSession::OnEventList(const JsonRpcResponse& response, Purpose purpose, const Instant& now) {
  std::string wrong;
  if (ToolFailed(response)) {
    wrong = FailureText(response);
    // Not every server takes the argument; what is not selected there is left out here.
    if (std::exchange(can_select_, !can_select_)) return ListEvents(purpose, now);
    if (ToolUnknown(response)) can_list_events_ = false;
  } else {
    EventList list =
        listed_ ? *std::exchange(listed_, std::nullopt) : ReadEventList(ToolText(response.result));
    if (list.is_list) {
      NoteUnused(list);
      return purpose == Purpose::kPoll ? TakePolled(std::move(list.events), now)
                                       : TakeBackfilled(std::move(list.events), now);
    }
    wrong = "the answer is no list of events (" + FailureText(response) +
            "); expected the YAML of kubernetes-mcp-server";
  }
  ConnectionFailure failure{can_list_events_ ? ErrorClass::kServer : ErrorClass::kSubscription,
                            tools_.Of(EventTool::kList) + ": " + wrong,
                            {},
                            !can_list_events_};
  if (phase_ == Phase::kFirstPoll && ToolFailed(response)) {
    return OnToolRefused(std::move(failure), now);
  }
  OnRequestFailed(purpose, std::move(failure), now);
}

// Counts and logs the entries beyond the limits of event_list.h.
void McpSession::NoteUnused(const EventList& list) {
  if (list.dropped > 0) actions_.push_back(EntriesDropped{list.dropped});
  const bool unused = list.dropped > 0 || list.truncated > 0;
  if (unused && !std::exchange(warned_unused_, true)) {
    actions_.push_back(SourceWarning{"Event list truncated",
                                     std::to_string(list.dropped) + " entries were dropped, " +
                                         std::to_string(list.truncated) + " messages were cut"});
  }
  warned_unused_ = unused;
}

void McpSession::TakePolled(std::vector<ClusterEvent> listed, const Instant& now) {
  unanswered_ = 0;
  next_poll_ = now.mono + options_.poll_interval;
  if (phase_ == Phase::kFirstPoll) BecomeSubscribed(now);
  Deliver(history_.TakeNew(std::move(listed)), false, now);
}

void McpSession::TakeBackfilled(std::vector<ClusterEvent> listed, const Instant& now) {
  backfills_failed_ = 0;
  Deliver(history_.TakeMissed(std::move(listed), now.wall), true, now);
  NextTask(now);
}

void McpSession::Deliver(std::vector<ClusterEvent> events, bool backfilled, const Instant& now) {
  for (ClusterEvent& event : events) pending_.push_back({std::move(event), backfilled});
  pending_since_ = now;
  DeliverPending();
}

void McpSession::DeliverPending() {
  constexpr std::size_t kMaxBytes = std::size_t{256} << 10;  // of YAML: some 60 ms
  constexpr std::size_t kMaxEvents = 64;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < kMaxEvents && bytes < kMaxBytes && !pending_.empty(); ++i) {
    auto& [event, backfilled] = pending_.front();
    bytes += event.message_source.size();
    CompleteMessage(event);
    actions_.push_back(DeliverEvent{Checked(ToFault(event, pending_since_.wall)), backfilled});
    pending_.pop_front();
  }
}

// The session ends: the history has these events as seen, so they are delivered with what was read.
void McpSession::FlushPending() {
  for (Pending& one : pending_) {
    if (!std::exchange(one.event.message_source, {}).empty()) one.event.message_cut = true;
  }
  while (!pending_.empty()) DeliverPending();
}

void McpSession::OnBackfillFailed(const std::string& detail, const Instant& now) {
  if (can_list_events_ && ++backfills_failed_ < kBackfillsAllowed) {
    const Duration delay = options_.ping_interval * backfills_failed_;
    next_backfill_ = now.mono + std::min(delay, kLongestBackfillDelay);
    return;
  }
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
  const bool list = expired.purpose == Purpose::kPoll || expired.purpose == Purpose::kBackfill;
  const std::string detail =
      list ? tools_.Of(EventTool::kList) + ": no answer within " +
                 std::to_string(
                     std::chrono::ceil<std::chrono::seconds>(options_.list_timeout).count()) +
                 " s; raise --list-timeout, or check the load of the server and of its Kubernetes "
                 "API"
           : "no answer within the time limit of a request";
  OnRequestFailed(expired.purpose, {ErrorClass::kTimeout, detail, {}, false}, now);
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
    OnSubscriptionError(params["data"], now);
  }
}

void McpSession::OnSubscriptionError(const JsonIn& value, const Instant& now) {
  const std::string detail = TruncateUtf8(JsonText(value), 1000);
  actions_.push_back(SourceWarning{"Subscription degraded", detail});
  if (!IsPush() || phase_ != Phase::kSubscribed) return;
  const JsonMembers data(value, {"subscriptionId", "degraded"});
  const std::string_view id = data.Text("subscriptionId");
  bool degraded = false;
  const bool told = data["degraded"] && data["degraded"]->get(degraded) == simdjson::SUCCESS;
  if (told && degraded && (id.empty() || id == subscription_id_)) return OnDegraded(now);
  check_due_ = true;
  NextTask(now);
}

void McpSession::Push(DecodedEvent event, const Instant& now) {
  pushed_ = true;
  if (const auto* fault = std::get_if<FaultEvent>(&event)) {
    history_.OnPushed(fault->resource, now.wall);
    last_checked_ = now.mono;  // what is pushed to is subscribed
    last_proof_ = now.wall;
  }
  actions_.push_back(DeliverEvent{std::move(event), false});
}

}  // namespace runner::ingest
