// How a session comes to its subscription, step by step.

#include <algorithm>
#include <array>
#include <utility>

#include "ingest/mcp/protocol/failure_text.h"
#include "ingest/mcp/protocol/json_members.h"
#include "ingest/mcp/protocol/jsonrpc.h"
#include "ingest/mcp/protocol/mcp_session.h"
#include "ingest/mcp/protocol/tool_result.h"

namespace runner::ingest {
namespace {

// The first is offered, each is accepted.
constexpr std::array<std::string_view, 4> kVersions = {"2025-11-25", "2025-06-18", "2025-03-26",
                                                       "2024-11-05"};
constexpr int kMaxToolPages = 100;
constexpr int kMaxToolTime = 3;  // in time limits of a request: others wait for their turn

}  // namespace

void McpSession::BeginInitialize(const Instant& now) {
  phase_ = Phase::kInitializing;
  SendRequest(
      "initialize",
      {{"protocolVersion", kVersions.front()},
       {"capabilities", Json::object()},
       {"clientInfo", {{"name", "kubernetes-mcp-runner"}, {"version", options_.client_version}}}},
      Purpose::kStep, now);
}

void McpSession::Begin(Phase phase, const Instant& now) {
  phase_ = phase;
  switch (phase) {
    case Phase::kAwaitingEndpoint:
      endpoint_due_ = now.mono + options_.request_timeout;
      OpenTheStream({});
      break;
    case Phase::kOpeningStream: {
      HttpHeaders headers = SessionHeaders();
      if (!last_event_id_.empty()) headers.emplace_back("Last-Event-ID", last_event_id_);
      OpenTheStream(std::move(headers));
      break;
    }
    case Phase::kSettingLevel:
      // Without a level the server drops every log notification, and faults are such.
      SendRequest("logging/setLevel", {{"level", "info"}}, Purpose::kStep, now);
      break;
    case Phase::kListingTools:
      tools_due_ = now.mono + kMaxToolTime * options_.request_timeout;
      SendRequest("tools/list", Json::object(), Purpose::kStep, now);
      break;
    case Phase::kUnsubscribing:
      CallTool(EventTool::kUnsubscribe,
               {{"subscriptionId", std::exchange(subscription_id_, std::string())}}, Purpose::kStep,
               now);
      break;
    case Phase::kSubscribing:
      CallTool(EventTool::kSubscribe, {{"mode", ToString(mode_)}}, Purpose::kStep, now);
      break;
    case Phase::kVerifying:
      CallTool(EventTool::kListSubscriptions, Json::object(), Purpose::kStep, now);
      break;
    case Phase::kFirstPoll:
      ListEvents(Purpose::kPoll, now);
      break;
    default:
      break;
  }
}

// --- transport ------------------------------------------------------------------------------

SourceActions McpSession::OnEndpoint(const std::optional<std::string>& url, const Instant& now) {
  if (phase_ != Phase::kAwaitingEndpoint) return {};
  if (url) {
    post_url_ = *url;
    BeginInitialize(now);
  } else {
    Fail(ErrorClass::kProtocol, "the stream tells to post to another origin");
  }
  return TakeActions();
}

void McpSession::OnInitializeRefused(const ConnectionFailure& failure, int status,
                                     const Instant& now) {
  // A server that has given a session, and then breaks off its answer, speaks the new one.
  const bool perhaps_legacy =
      session_id_.empty() && (status == 400 || status == 404 || status == 405);
  if (!perhaps_legacy || legacy_ || options_.transport != Transport::kAuto) return Fail(failure);
  DropRequest();
  refusal_ = failure;
  legacy_ = true;
  Begin(Phase::kAwaitingEndpoint, now);
}

void McpSession::OnStreamRefused(const HttpHead& head, const Instant& now) {
  if (phase_ == Phase::kOpeningStream && head.status == 400 && !last_event_id_.empty()) {
    // A server without an event store refuses to replay: take the stream from here on.
    last_event_id_.clear();
    CloseTheStream();
    return Begin(Phase::kOpeningStream, now);
  }
  const bool there_is_none =
      !legacy_ &&
      (head.status == 405 || (!resuming_ && (head.status == 404 || head.status == 400)));
  if (there_is_none) stream_refused_ = true;
  if (phase_ == Phase::kSubscribed) return CloseTheStream();  // a poll does without
  if (!NeedsStream() && (there_is_none || mode_ == SourceMode::kPoll)) {
    return GoOnWithoutStream(now);
  }
  if (there_is_none) {
    return Fail({ErrorClass::kProtocol,
                 "the server offers no event stream: " + DescribeRefusal(head, "GET", true) +
                     "; use mode poll, or a server with sessions (not --stateless)",
                 head.retry_after, true});
  }
  if (head.status < 200 || head.status >= 300) return Fail(FailureOf(head, "GET"));
  Fail(ErrorClass::kProtocol, DescribeWrongType(head, "GET", "text/event-stream"));
}

void McpSession::GoOnWithoutStream(const Instant& now) {
  CloseTheStream();
  resuming_ = false;
  AfterStream(now);
}

// --- replies --------------------------------------------------------------------------------

void McpSession::OnStepReply(const JsonRpcResponse& response, const Instant& now) {
  switch (phase_) {
    case Phase::kInitializing:
      return OnInitialized(response, now);
    case Phase::kSettingLevel:
      if (response.is_error) level_refusal_ = "logging/setLevel: " + FailureText(response);
      return AfterLevel(now);
    case Phase::kListingTools:
      return OnToolsListed(response, now);
    case Phase::kUnsubscribing:
      return Begin(Phase::kSubscribing, now);
    case Phase::kSubscribing:
      return OnSubscribeReply(response, now);
    case Phase::kVerifying:
      return OnCheckReply(response, now);
    default:
      break;
  }
}

void McpSession::OnInitialized(const JsonRpcResponse& response, const Instant&) {
  const JsonMembers result(response.result, {"protocolVersion", "capabilities"});
  if (response.is_error || !result.of_object()) {
    Fail(ErrorClass::kProtocol,
         "initialize: " + (response.is_error ? DescribeError(response) : FailureText(response)));
    return;
  }
  const std::string_view version = result.Text("protocolVersion");
  if (std::find(kVersions.begin(), kVersions.end(), version) == kVersions.end()) {
    Fail({ErrorClass::kProtocol, DescribeVersion(version, kVersions), {}, true});
    return;
  }
  protocol_version_ = version;
  const JsonMembers capabilities(result["capabilities"], {"logging"});
  server_logs_ = capabilities["logging"].has_value();
  phase_ = Phase::kConfirming;
  confirmation_ = Send(MakeNotification("notifications/initialized"));
}

void McpSession::AfterStream(const Instant& now) {
  if (server_logs_) {
    Begin(Phase::kSettingLevel, now);
  } else {
    AfterLevel(now);
  }
}

void McpSession::AfterLevel(const Instant& now) {
  // A configured name says that a gateway renames tools: others may have other names as well.
  const bool renamed = !options_.subscribe_tool.empty() || !options_.events_tool.empty();
  if (mode_ == SourceMode::kAuto || renamed) return Begin(Phase::kListingTools, now);
  BeginListening(now);
}

// In a mode that is known.
void McpSession::BeginListening(const Instant& now) {
  if (mode_ == SourceMode::kPoll) {
    Begin(Phase::kFirstPoll, now);
  } else {
    BeginSubscribing(now);
  }
}

void McpSession::BeginSubscribing(const Instant& now) {
  if (!level_refusal_.empty()) return Fail(ErrorClass::kSubscription, level_refusal_);
  // Without a list nobody knows whether the earlier one lives: two would tell everything twice.
  Begin(subscription_id_.empty() ? Phase::kSubscribing : Phase::kUnsubscribing, now);
}

void McpSession::OnToolsListed(const JsonRpcResponse& response, const Instant& now) {
  if (response.is_error) {
    if (tool_refusal_) return Fail(*std::exchange(tool_refusal_, std::nullopt));
    if (mode_ != SourceMode::kAuto) return BeginListening(now);  // by the configured names
    return Fail(ErrorClass::kProtocol, "tools/list: " + FailureText(response));
  }
  tools_.Add(ToolNames(response.result));
  const std::string cursor = NextCursor(response.result);
  if (!cursor.empty() && ++tool_pages_ < kMaxToolPages && now.mono < tools_due_) {
    return SendRequest("tools/list", {{"cursor", cursor}}, Purpose::kStep, now);
  }
  tools_.Resolve();
  if (tool_refusal_) return RetryWithOfferedTool(now);
  if (mode_ == SourceMode::kAuto) return ChooseMode(now);
  BeginListening(now);
}

void McpSession::ChooseMode(const Instant& now) {
  const bool pushes = tools_.Offers(EventTool::kSubscribe);
  for (const EventTool tool : {EventTool::kSubscribe, EventTool::kList}) {
    const bool configured =
        tool == EventTool::kList ? !options_.events_tool.empty() : !options_.subscribe_tool.empty();
    if (configured && !tools_.Offers(tool)) {
      return Fail({ErrorClass::kSubscription, tools_.WhyNot(tool), {}, true});
    }
  }
  if (pushes && !stream_refused_) {
    if (!stream_.open) return Fail(ErrorClass::kStreamClosed, "the server ended the stream");
    mode_ = SourceMode::kFaults;
    return BeginSubscribing(now);
  }
  if (!tools_.Offers(EventTool::kList)) {
    return Fail({ErrorClass::kSubscription,
                 (pushes ? "the server pushes faults and offers no event stream for them; "
                         : tools_.WhyNot(EventTool::kSubscribe) + "; ") +
                     tools_.WhyNot(EventTool::kList),
                 {},
                 true});
  }
  mode_ = SourceMode::kPoll;
  Begin(Phase::kFirstPoll, now);
}

// A tool that is needed has failed. Servers have many words for a tool that they do not have, so
// the list of tools decides, once a session.
void McpSession::OnToolRefused(ConnectionFailure failure, const Instant& now) {
  tool_refusal_ = std::move(failure);
  refused_phase_ = phase_;
  if (tools_.resolved()) return FailForTool();
  refused_tool_ = tools_.Of(RefusedTool());
  Begin(Phase::kListingTools, now);
}

EventTool McpSession::RefusedTool() const {
  return refused_phase_ == Phase::kFirstPoll ? EventTool::kList : EventTool::kSubscribe;
}

// The tools are known.
void McpSession::FailForTool() {
  ConnectionFailure failure = *std::exchange(tool_refusal_, std::nullopt);
  if (!tools_.Offers(RefusedTool())) {
    failure.detail = tools_.WhyNot(RefusedTool()) + " (" + failure.detail + ")";
    failure.error = ErrorClass::kSubscription;
    failure.retry_slowly = true;
  }
  Fail(std::move(failure));
}

void McpSession::RetryWithOfferedTool(const Instant& now) {
  const EventTool tool = RefusedTool();
  if (!tools_.Offers(tool) || tools_.Of(tool) == refused_tool_) return FailForTool();
  tool_refusal_.reset();
  can_list_events_ = can_select_ = true;
  Begin(refused_phase_, now);
}

void McpSession::OnSubscribeReply(const JsonRpcResponse& response, const Instant& now) {
  if (ToolFailed(response)) {
    return OnToolRefused({ErrorClass::kSubscription,
                          tools_.Of(EventTool::kSubscribe) + ": " + FailureText(response),
                          {},
                          ToolUnknown(response)},
                         now);
  }
  subscription_id_ = FindSubscriptionId(ToolText(response.result));
  if (subscription_id_.empty()) {
    return Fail(ErrorClass::kSubscription,
                tools_.Of(EventTool::kSubscribe) + ": the answer names no subscriptionId");
  }
  BecomeSubscribed(now);
}

void McpSession::BecomeSubscribed(const Instant& now) {
  phase_ = Phase::kSubscribed;
  last_checked_ = now.mono;
  last_proof_ = now.wall;
  unanswered_ = 0;
  check_due_ = false;
  if (!std::exchange(announced_, true)) {
    actions_.push_back(Subscribed{session_id_, protocol_version_, mode_,
                                  legacy_ ? Transport::kSse : Transport::kStreamableHttp});
  }
  NextTask(now);
}

}  // namespace runner::ingest
