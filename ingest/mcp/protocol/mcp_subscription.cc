#include "ingest/mcp/protocol/mcp_subscription.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "common/base/utf8.h"
#include "ingest/mcp/protocol/event_list.h"
#include "ingest/mcp/protocol/json_members.h"
#include "ingest/mcp/protocol/jsonrpc.h"
#include "ingest/mcp/protocol/tool_result.h"

namespace runner::ingest {
namespace {

constexpr int kMaxFailures = 2;  // the last of them ends the session
// Tries of a backfill, at first in the interval of checks, then in the longest one: more than an
// hour in total, after which Kubernetes forgets events by default (kube-apiserver --event-ttl).
constexpr int kMaxBackfills = 20;
constexpr Duration kMaxBackfillDelay = std::chrono::minutes(5);
// A server that loses the Kubernetes API retries for some time before it gives up its watch.
constexpr std::chrono::minutes kWatchGivenUpAfter{1};

}  // namespace

McpSubscription::McpSubscription(const McpSessionOptions& options, McpChannel& channel,
                                 EventHistory& history)
    : options_(options),
      channel_(channel),
      history_(history),
      terms_{options.mode, EventToolNames(options.subscribe_tool, options.events_tool), {}} {}

// --- the way to a subscription --------------------------------------------------------------

McpSubscription::Progress McpSubscription::Begin(const SessionTerms& terms, const Instant& now) {
  terms_ = terms;
  if (refused_) return RetryRefusedTool(now);
  if (Pushes()) return BeginSubscribing(now);
  ListEvents(State::kFirstPoll, now);
  return Continues{};
}

McpSubscription::Progress McpSubscription::BeginSubscribing(const Instant& now) {
  if (!terms_.level_refusal.empty()) {
    return Lost{{ErrorClass::kSubscription, terms_.level_refusal, {}, false}};
  }
  // An earlier subscription that cannot be looked for may still exist: two would deliver every
  // fault twice.
  if (push_.id.empty()) {
    Subscribe(now);
  } else {
    Unsubscribe(now);
  }
  return Continues{};
}

void McpSubscription::Subscribe(const Instant& now) {
  state_ = State::kSubscribing;
  channel_.CallTool(terms_.tools.Of(EventTool::kSubscribe), {{"mode", ToString(terms_.mode)}}, now);
}

void McpSubscription::Unsubscribe(const Instant& now) {
  state_ = State::kUnsubscribing;
  channel_.CallTool(terms_.tools.Of(EventTool::kUnsubscribe),
                    {{"subscriptionId", std::exchange(push_.id, std::string())}}, now);
}

void McpSubscription::Verify(const Instant& now) {
  state_ = State::kVerifying;
  channel_.CallTool(terms_.tools.Of(EventTool::kListSubscriptions), Json::object(), now);
}

McpSubscription::Progress McpSubscription::OnSubscribeReply(const JsonRpcResponse& response,
                                                            const Instant& now) {
  const std::string& tool = terms_.tools.Of(EventTool::kSubscribe);
  if (ToolFailed(response)) {
    return OnToolRefused(EventTool::kSubscribe, {ErrorClass::kSubscription,
                                                 tool + ": " + FailureText(response),
                                                 {},
                                                 ToolUnknown(response)});
  }
  push_.id = FindSubscriptionId(ToolText(response.result));
  if (push_.id.empty()) {
    return Lost{
        {ErrorClass::kSubscription, tool + ": the reply contains no subscriptionId", {}, false}};
  }
  BecomeSubscribed(now);
  return Continues{};
}

// Servers report a tool that they do not have in many ways, so the list of tools decides, once a
// session.
McpSubscription::Progress McpSubscription::OnToolRefused(EventTool tool,
                                                         ConnectionFailure failure) {
  if (terms_.tools.resolved()) return LoseForTool(tool, std::move(failure));
  refused_ = RefusedTool{tool, terms_.tools.Of(tool), std::move(failure)};
  return NeedsTools{};
}

McpSubscription::Progress McpSubscription::RetryRefusedTool(const Instant& now) {
  RefusedTool refused = *std::exchange(refused_, std::nullopt);
  const EventToolNames& tools = terms_.tools;
  if (!tools.resolved()) return Lost{std::move(refused.failure)};
  if (!tools.Offers(refused.tool) || tools.Of(refused.tool) == refused.name) {
    return LoseForTool(refused.tool, std::move(refused.failure));
  }
  server_.lists_events = server_.selects_fields = true;
  if (refused.tool == EventTool::kList) {
    ListEvents(State::kFirstPoll, now);
  } else {
    Subscribe(now);
  }
  return Continues{};
}

McpSubscription::Progress McpSubscription::LoseForTool(EventTool tool,
                                                       ConnectionFailure failure) const {
  if (!terms_.tools.Offers(tool)) {
    failure.detail = terms_.tools.WhyNot(tool) + " (" + failure.detail + ")";
    failure.error = ErrorClass::kSubscription;
    failure.retry_slowly = true;
  }
  return Lost{std::move(failure)};
}

void McpSubscription::BecomeSubscribed(const Instant& now) {
  state_ = State::kSubscribed;
  push_.last_checked = now.mono;
  push_.last_proof = now.wall;
  failures_ = 0;
  push_.check_due = false;
  if (!std::exchange(reported_, true)) {
    channel_.Emit(Subscribed{channel_.session_id(), channel_.protocol_version(), terms_.mode,
                             channel_.legacy() ? Transport::kSse : Transport::kStreamableHttp});
  }
  StartNextTask(now);
}

// --- tasks ----------------------------------------------------------------------------------

void McpSubscription::StartNextTask(const Instant& now) {
  if (state_ != State::kSubscribed) return;
  if (!Pushes()) {
    if (next_poll_ > now.mono) return;
    const McpStream& stream = channel_.stream();
    // It carries only requests of the server, which may end it at any time.
    if (!stream.open() && !stream.unavailable() && !channel_.legacy()) channel_.OpenStream();
    ListEvents(State::kPolling, now);
  } else if (std::exchange(push_.renewal_due, false)) {
    push_.renewed = now.mono;
    push_.check_due = false;
    Unsubscribe(now);
  } else if (std::exchange(push_.check_due, false)) {
    Check(now);
  } else if (OwesBackfill() && push_.next_backfill <= now.mono) {
    ListEvents(State::kBackfilling, now);
  }
}

void McpSubscription::Check(const Instant& now) {
  if (!channel_.legacy() && channel_.session_id().empty() && !push_.received) {
    channel_.Emit(McpWarning{
        "Server without sessions pushes nothing",
        "the server gave no Mcp-Session-Id and has pushed no event; start the server without its "
        "stateless mode, or set mode: poll for this cluster",
        true});
  }
  if (server_.lists_subscriptions) {
    state_ = State::kChecking;
    channel_.CallTool(terms_.tools.Of(EventTool::kListSubscriptions), Json::object(), now);
  } else {
    state_ = State::kPinging;
    channel_.SendRequest("ping", Json::object(), now);
  }
}

void McpSubscription::ListEvents(State task, const Instant& now) {
  state_ = task;
  Json arguments = Json::object();
  if (server_.selects_fields) arguments["fieldSelector"] = "type=Warning";
  channel_.CallTool(terms_.tools.Of(EventTool::kList), std::move(arguments), now,
                    options_.list_timeout);
}

McpSubscription::State McpSubscription::EndTask() {
  return IsSubscribed() ? std::exchange(state_, State::kSubscribed) : state_;
}

McpSubscription::Progress McpSubscription::OnReply(const JsonRpcResponse& response,
                                                   std::optional<EventList>& listed,
                                                   const Instant& now) {
  const State task = EndTask();
  switch (task) {
    case State::kUnsubscribing:
      Subscribe(now);
      return Continues{};
    case State::kSubscribing:
      return OnSubscribeReply(response, now);
    case State::kVerifying:
    case State::kChecking:
      return OnCheckReply(task, response, now);
    case State::kPinging:
      failures_ = 0;
      push_.last_checked = now.mono;
      StartNextTask(now);
      return Continues{};
    case State::kFirstPoll:
    case State::kBackfilling:
    case State::kPolling:
      return OnEventList(task, response, listed, now);
    case State::kInactive:
    case State::kReopening:
    case State::kSubscribed:
      break;  // no request is under way
  }
  return Continues{};
}

McpSubscription::Progress McpSubscription::OnCheckReply(State task, const JsonRpcResponse& response,
                                                        const Instant& now) {
  const bool verifying = task == State::kVerifying;
  if (ToolFailed(response)) {
    if (!ToolUnknown(response)) {
      return OnTaskFailed(
          task,
          {ErrorClass::kSubscription,
           terms_.tools.Of(EventTool::kListSubscriptions) + ": " + FailureText(response),
           {},
           false},
          now);
    }
    server_.lists_subscriptions = false;
    push_.last_checked = now.mono;
    if (verifying) return BeginSubscribing(now);
    StartNextTask(now);
    return Continues{};
  }
  failures_ = 0;
  push_.last_checked = now.mono;
  switch (StateOfSubscription(ToolText(response.result), push_.id)) {
    case SubscriptionState::kActive:
      push_.last_proof = now.wall;
      if (verifying) {
        if (push_.replaying && push_.replay_fills_gap) history_.ForgetGap();
        BecomeSubscribed(now);
      } else {
        StartNextTask(now);
      }
      return Continues{};
    case SubscriptionState::kDegraded:
      channel_.Emit(McpWarning{"Subscription degraded", "the server gave up its watch"});
      return OnDegraded(now);
    case SubscriptionState::kMissing:
      break;
  }
  if (!verifying) {
    return LoseStream(
        {ErrorClass::kSubscription, "the server dropped the subscription", {}, false});
  }
  if (reported_) {
    history_.OnGap(push_.last_proof);
    channel_.Emit(McpWarning{"Subscription lost, renewing", "the server dropped the subscription"});
  }
  Subscribe(now);
  return Continues{};
}

// The server lists the subscription, and pushes nothing any more.
McpSubscription::Progress McpSubscription::OnDegraded(const Instant& now) {
  history_.OnGap(push_.last_proof - kWatchGivenUpAfter);
  if (push_.renewed && now.mono < *push_.renewed + options_.ping_interval) {
    return Lost{{ErrorClass::kSubscription, "the renewed subscription is degraded too", {}, false}};
  }
  // A list that is under way does not show what fails until the renewal.
  if (state_ == State::kBackfilling) {
    channel_.CancelRequest();
    EndTask();
  }
  if (!IsSubscribed()) state_ = State::kSubscribed;  // it was verified
  push_.renewal_due = true;
  StartNextTask(now);
  return Continues{};
}

McpSubscription::Progress McpSubscription::OnEventList(State task, const JsonRpcResponse& response,
                                                       std::optional<EventList>& listed,
                                                       const Instant& now) {
  std::string wrong;
  if (ToolFailed(response)) {
    // Not every server takes the argument; other types are left out of the list here as well.
    if (std::exchange(server_.selects_fields, !server_.selects_fields)) {
      ListEvents(task, now);
      return Continues{};
    }
    if (ToolUnknown(response)) server_.lists_events = false;
    wrong = FailureText(response);
  } else {
    EventList list =
        listed ? *std::exchange(listed, std::nullopt) : ReadEventList(ToolText(response.result));
    if (list.is_list) {
      ReportUnused(list);
      if (task == State::kBackfilling) {
        OnBackfilled(std::move(list.events), now);
      } else {
        OnPolled(std::move(list.events), now);
      }
      return Continues{};
    }
    wrong = "the reply is no list of events (" + FailureText(response) +
            "); expected the YAML of kubernetes-mcp-server";
  }
  ConnectionFailure failure{server_.lists_events ? ErrorClass::kServer : ErrorClass::kSubscription,
                            terms_.tools.Of(EventTool::kList) + ": " + wrong,
                            {},
                            !server_.lists_events};
  if (task == State::kFirstPoll && ToolFailed(response)) {
    return OnToolRefused(EventTool::kList, std::move(failure));
  }
  return OnTaskFailed(task, std::move(failure), now);
}

// Counts and logs the entries beyond the limits of event_list.h.
void McpSubscription::ReportUnused(const EventList& list) {
  if (list.dropped > 0) channel_.Emit(EntriesDropped{list.dropped});
  const bool unused = list.dropped > 0 || list.truncated > 0;
  if (unused && !unused_reported_) {
    channel_.Emit(McpWarning{"Event list truncated",
                             std::to_string(list.dropped) + " entries were dropped, " +
                                 std::to_string(list.truncated) + " messages were cut"});
  }
  unused_reported_ = unused;
}

void McpSubscription::OnPolled(std::vector<ClusterEvent> listed, const Instant& now) {
  failures_ = 0;
  next_poll_ = now.mono + options_.poll_interval;
  if (!IsSubscribed()) BecomeSubscribed(now);
  pending_.Add(history_.TakeNew(std::move(listed)), false, now);
  Deliver(pending_.TakePortion());
}

void McpSubscription::OnBackfilled(std::vector<ClusterEvent> listed, const Instant& now) {
  push_.failed_backfills = 0;
  pending_.Add(history_.TakeMissed(std::move(listed), now.wall), true, now);
  Deliver(pending_.TakePortion());
  StartNextTask(now);
}

void McpSubscription::OnBackfillFailed(const std::string& detail, const Instant& now) {
  if (server_.lists_events && ++push_.failed_backfills < kMaxBackfills) {
    const Duration delay = options_.ping_interval * push_.failed_backfills;
    push_.next_backfill = now.mono + std::min(delay, kMaxBackfillDelay);
    return;
  }
  push_.failed_backfills = 0;
  history_.ForgetGap();
  channel_.Emit(McpWarning{"Events of a gap are lost", detail});
}

bool McpSubscription::DeliverPending() {
  if (!pending_.Deadline()) return false;
  Deliver(pending_.TakePortion());
  return true;
}

void McpSubscription::Deliver(std::vector<DeliverEvent> events) {
  for (DeliverEvent& event : events) channel_.Emit(std::move(event));
}

// --- failures of requests -------------------------------------------------------------------

McpSubscription::Progress McpSubscription::OnRequestFailed(ConnectionFailure failure,
                                                           const Instant& now) {
  channel_.CancelRequest();
  return OnTaskFailed(EndTask(), std::move(failure), now);
}

McpSubscription::Progress McpSubscription::OnTaskFailed(State task, ConnectionFailure failure,
                                                        const Instant& now) {
  if (!IsSubscribed() || failure.error == ErrorClass::kSessionExpired) {
    return Lost{std::move(failure)};
  }
  if (task == State::kBackfilling) {
    OnBackfillFailed(failure.detail, now);
    return Continues{};
  }
  if (++failures_ >= kMaxFailures) return Lost{std::move(failure)};
  push_.last_checked = now.mono;  // repeated after the next interval
  next_poll_ = now.mono + options_.poll_interval;
  return Continues{};
}

McpSubscription::Progress McpSubscription::OnRequestExpired(ConnectionFailure failure,
                                                            const Instant& now) {
  const State task = EndTask();
  const bool checking = task == State::kChecking || task == State::kPinging;
  if (checking && failures_ + 1 < kMaxFailures) {
    ++failures_;
    Check(now);
    return Continues{};
  }
  const bool lists =
      task == State::kFirstPoll || task == State::kPolling || task == State::kBackfilling;
  if (lists) {
    const auto limit = std::chrono::ceil<std::chrono::seconds>(options_.list_timeout);
    failure.detail =
        terms_.tools.Of(EventTool::kList) + ": no answer within " + std::to_string(limit.count()) +
        " s; raise --list-timeout, or check the load of the server and of its Kubernetes API";
  }
  return OnTaskFailed(task, std::move(failure), now);
}

// --- the stream -----------------------------------------------------------------------------

void McpSubscription::Reopen() {
  refused_.reset();
  state_ = State::kReopening;
  channel_.ReopenStream();
}

McpSubscription::Progress McpSubscription::OnStreamAccepted(const Instant& now) {
  if (state_ != State::kReopening) return Continues{};  // a stream of a poll
  push_.replaying = !channel_.stream().last_event_id().empty();
  if (!server_.lists_subscriptions) return NeedsLevel{};
  Verify(now);
  return Continues{};
}

McpSubscription::Progress McpSubscription::OnStreamRefused(const HttpHead& head) {
  McpStream& stream = channel_.stream();
  const bool reopening = state_ == State::kReopening;
  if (reopening && head.status == 400 && !stream.last_event_id().empty()) {
    // A server without an event store refuses to replay.
    stream.set_last_event_id({});
    channel_.CloseStream();
    channel_.ReopenStream();
    return Continues{};
  }
  const bool none =
      head.status == 405 || (!reopening && (head.status == 404 || head.status == 400));
  if (none && !channel_.legacy()) stream.set_unavailable();
  if (IsSubscribed()) {
    channel_.CloseStream();  // a poll does without
    return Continues{};
  }
  return Lost{channel_.StreamRefusal(head)};
}

McpSubscription::Progress McpSubscription::OnStreamDone(ConnectionFailure why, const Instant& now) {
  if (!NeedsStream()) return Continues{};
  if (!IsSubscribed()) return Lost{std::move(why)};
  push_.replay_fills_gap = !history_.HasGap();
  return LoseStream(std::move(why), now.wall);
}

McpSubscription::Progress McpSubscription::OnEndlessLine() {
  channel_.Emit(DeliverEvent{InvalidEvent{"oversize", "a line without an end", {}}});
  channel_.stream().set_last_event_id({});  // the server would replay the line
  if (IsSubscribed() && !NeedsStream()) {
    channel_.CloseStream();
    return Continues{};
  }
  return LoseStream({ErrorClass::kProtocol, "a line of the stream is over the limit", {}, false});
}

McpSubscription::Lost McpSubscription::LoseStream(ConnectionFailure failure,
                                                  std::optional<WallTime> stream_ended) const {
  // Over HTTP with SSE the stream is the session.
  return {std::move(failure), reported_ && !channel_.legacy(), stream_ended};
}

void McpSubscription::End(std::optional<WallTime> stream_ended) {
  Deliver(pending_.TakeAll());
  state_ = State::kInactive;
  if (!std::exchange(reported_, false) || !Pushes()) return;
  // Until a stream ends visibly it has delivered; otherwise everything since the subscription was
  // last proved is lost. The replies to POSTs prove nothing about the stream, so what was pushed
  // since its last byte may be lost too.
  history_.OnGap(stream_ended.value_or(push_.last_proof));
  history_.OnSuspectedGap(std::min(push_.last_proof, channel_.stream().last_byte()));
}

// --- time -----------------------------------------------------------------------------------

McpSubscription::Progress McpSubscription::OnTimer(const Instant& now) {
  if (const auto due = StreamDeadline(); due && *due <= now.mono) return OnStreamDeadline(now);
  if (const auto due = TaskDeadline(); due && *due <= now.mono) {
    push_.check_due = push_.last_checked + options_.ping_interval <= now.mono;
    StartNextTask(now);
  }
  return Continues{};
}

McpSubscription::Progress McpSubscription::OnStreamDeadline(const Instant& now) {
  const McpStream& stream = channel_.stream();
  if (const auto began = stream.event_began();
      began && *began + options_.idle_timeout <= now.mono) {
    return LoseStream({ErrorClass::kTimeout,
                       "an event of the stream was not complete within the idle timeout",
                       {},
                       false});
  }
  if (stream.SendsKeepalives() && stream.last_item() + options_.idle_timeout <= now.mono) {
    history_.OnGap(stream.last_byte());
    return LoseStream(
        {ErrorClass::kTimeout, "the stream sent no keepalive within the idle timeout", {}, false});
  }
  // The server behind a stream that sends no keepalives may be long gone.
  history_.OnSuspectedGap(stream.last_byte());
  channel_.CloseStream();
  Reopen();
  return Continues{};
}

std::optional<MonoTime> McpSubscription::NextDeadline() const {
  std::optional<MonoTime> next;
  for (const auto due : {pending_.Deadline(), StreamDeadline(), TaskDeadline()}) {
    if (due && (!next || *due < *next)) next = due;
  }
  return next;
}

// When the stream has failed, or is to be reopened.
std::optional<MonoTime> McpSubscription::StreamDeadline() const {
  const McpStream& stream = channel_.stream();
  if (!IsSubscribed() || !Pushes() || !stream.accepted()) return std::nullopt;
  std::optional<MonoTime> due;
  if (const auto began = stream.event_began()) due = *began + options_.idle_timeout;
  if (stream.SendsKeepalives()) {
    due = std::min(due.value_or(MonoTime::max()), stream.last_item() + options_.idle_timeout);
  } else if (options_.max_stream_age > Duration::zero() && !channel_.HasRequest() &&
             !channel_.legacy()) {
    due = std::min(due.value_or(MonoTime::max()), stream.accepted_at() + options_.max_stream_age);
  }
  return due;
}

// When a poll, a check or a backfill is due.
std::optional<MonoTime> McpSubscription::TaskDeadline() const {
  if (state_ != State::kSubscribed) return std::nullopt;
  if (!Pushes()) return next_poll_;
  const MonoTime check = push_.last_checked + options_.ping_interval;
  return OwesBackfill() ? std::min(check, push_.next_backfill) : check;
}

bool McpSubscription::OwesBackfill() const {
  return options_.backfill && server_.lists_events && history_.HasGap();
}

// --- notifications --------------------------------------------------------------------------

McpSubscription::Progress McpSubscription::OnNotification(const JsonRpcNotification& notification,
                                                          const Instant& now) {
  if (notification.method != "notifications/message") return Continues{};
  const JsonMembers params(notification.params, {"logger", "data"});
  const std::string_view logger = params.Text("logger");
  if (!params.ambiguity().empty()) {
    channel_.Emit(DeliverEvent{InvalidEvent{"json", params.ambiguity(), std::nullopt}});
  } else if (logger == "kubernetes/faults") {
    OnPushed(DecodeFault(params["data"], now.wall), now);
  } else if (logger == "kubernetes/events" && terms_.mode == McpMode::kEvents) {
    OnPushed(DecodeClusterEvent(params["data"], now.wall), now);
  } else if (logger == "kubernetes/subscription_error") {
    return OnSubscriptionError(params["data"], now);
  }
  return Continues{};
}

void McpSubscription::OnPushed(DecodedEvent event, const Instant& now) {
  push_.received = true;
  if (const auto* fault = std::get_if<FaultEvent>(&event)) {
    history_.OnPushed(fault->resource, now.wall);
    push_.last_checked = now.mono;  // a push proves the subscription
    push_.last_proof = now.wall;
  }
  channel_.Emit(DeliverEvent{std::move(event), false});
}

McpSubscription::Progress McpSubscription::OnSubscriptionError(const JsonIn& value,
                                                               const Instant& now) {
  constexpr std::size_t kMaxDetail = 1000;  // bytes
  channel_.Emit(McpWarning{"Subscription degraded", TruncateUtf8(JsonText(value), kMaxDetail)});
  if (!Pushes() || !IsSubscribed()) return Continues{};
  const JsonMembers data(value, {"subscriptionId", "degraded"});
  const std::string_view id = data.Text("subscriptionId");
  bool degraded = false;
  const bool given = data["degraded"] && data["degraded"]->get(degraded) == simdjson::SUCCESS;
  if (given && degraded && (id.empty() || id == push_.id)) return OnDegraded(now);
  push_.check_due = true;
  StartNextTask(now);
  return Continues{};
}

}  // namespace runner::ingest
