#include "ingest/mcp/protocol/mcp_handshake.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "ingest/mcp/protocol/failure_text.h"
#include "ingest/mcp/protocol/json_members.h"
#include "ingest/mcp/protocol/jsonrpc.h"
#include "ingest/mcp/protocol/tool_result.h"

namespace runner::ingest {
namespace {

// The first is offered, each is accepted.
constexpr std::array<std::string_view, 4> kVersions = {"2025-11-25", "2025-06-18", "2025-03-26",
                                                       "2024-11-05"};
constexpr int kMaxToolPages = 100;
// In request timeouts. Other clusters wait for a place to connect meanwhile.
constexpr int kMaxToolTime = 3;

ConnectionFailure Failure(ErrorClass error, std::string detail, bool retry_slowly = false) {
  return {error, std::move(detail), std::nullopt, retry_slowly};
}

}  // namespace

McpHandshake::McpHandshake(const McpSessionOptions& options, McpChannel& channel)
    : options_(options),
      channel_(channel),
      terms_{options.mode, EventToolNames(options.subscribe_tool, options.events_tool), {}} {}

// --- transport ------------------------------------------------------------------------------

McpHandshake::Progress McpHandshake::Start(const Instant& now) {
  return channel_.legacy() ? AwaitEndpoint(now) : Initialize(now);
}

McpHandshake::Progress McpHandshake::AwaitEndpoint(const Instant& now) {
  phase_ = AwaitingEndpoint{now.mono + options_.request_timeout};
  channel_.OpenStream();
  return UnderWay{};
}

McpHandshake::Progress McpHandshake::OnEndpoint(const std::optional<std::string>& url,
                                                const Instant& now) {
  if (!In<AwaitingEndpoint>()) return UnderWay{};
  if (!url)
    return Failure(ErrorClass::kProtocol,
                   "the stream names an endpoint of another origin; expected that of the stream");
  channel_.SetPostUrl(*url);
  return Initialize(now);
}

McpHandshake::Progress McpHandshake::OnTimer(const Instant& now) {
  const auto* waiting = std::get_if<AwaitingEndpoint>(&phase_);
  if (!waiting || waiting->deadline > now.mono) return UnderWay{};
  return Failure(ErrorClass::kTimeout, "the stream sent no endpoint within the request timeout");
}

std::optional<MonoTime> McpHandshake::NextDeadline() const {
  const auto* waiting = std::get_if<AwaitingEndpoint>(&phase_);
  return waiting ? std::optional(waiting->deadline) : std::nullopt;
}

// --- initialize -----------------------------------------------------------------------------

McpHandshake::Progress McpHandshake::Initialize(const Instant& now) {
  phase_ = Initializing();
  channel_.SendRequest(
      "initialize",
      {{"protocolVersion", kVersions.front()},
       {"capabilities", Json::object()},
       {"clientInfo", {{"name", "kubernetes-mcp-runner"}, {"version", options_.client_version}}}},
      now);
  return UnderWay{};
}

void McpHandshake::OnAccepted(const std::string& session_id) {
  if (In<Initializing>() && !channel_.legacy() && !session_id.empty()) {
    channel_.SetSessionId(session_id);
  }
}

McpHandshake::Progress McpHandshake::OnRequestFailed(ConnectionFailure failure, int status,
                                                     const Instant& now) {
  channel_.CancelRequest();
  // Which answers mean an older server: MCP 2025-11-25, Transports, Backwards Compatibility. One
  // that has given a session and then breaks off its answer is not older.
  const bool may_be_legacy =
      channel_.session_id().empty() && (status == 400 || status == 404 || status == 405);
  if (!In<Initializing>() || !may_be_legacy || channel_.legacy() ||
      options_.transport != Transport::kAuto) {
    return failure;
  }
  first_refusal_ = std::move(failure);
  channel_.UseLegacyTransport();
  return AwaitEndpoint(now);
}

ConnectionFailure McpHandshake::Explain(ConnectionFailure failure) const {
  if (!first_refusal_) return failure;
  ConnectionFailure both = *first_refusal_;
  both.detail = DescribeBoth(std::move(both.detail), failure.detail);
  return both;
}

McpHandshake::Progress McpHandshake::OnReply(const JsonRpcResponse& response, const Instant& now) {
  if (In<Initializing>()) return OnInitialized(response);
  if (In<SettingLevel>()) {
    if (response.is_error) terms_.level_refusal = "logging/setLevel: " + FailureText(response);
    return AfterLevel(now);
  }
  return OnToolsListed(response, now);
}

McpHandshake::Progress McpHandshake::OnInitialized(const JsonRpcResponse& response) {
  const JsonMembers result(response.result, {"protocolVersion", "capabilities"});
  if (response.is_error || !result.of_object()) {
    return Failure(
        ErrorClass::kProtocol,
        "initialize: " + (response.is_error ? DescribeError(response) : FailureText(response)));
  }
  const std::string_view version = result.Text("protocolVersion");
  if (std::find(kVersions.begin(), kVersions.end(), version) == kVersions.end()) {
    return Failure(ErrorClass::kProtocol, DescribeVersion(version, kVersions), true);
  }
  channel_.SetProtocolVersion(version);
  first_refusal_.reset();
  const JsonMembers capabilities(result["capabilities"], {"logging"});
  server_logs_ = capabilities["logging"].has_value();
  phase_ = Confirming{channel_.Notify("notifications/initialized")};
  return UnderWay{};
}

bool McpHandshake::Confirms(PostId post) const {
  const auto* confirming = std::get_if<Confirming>(&phase_);
  return confirming && confirming->post == post;
}

McpHandshake::Progress McpHandshake::OnConfirmed(const Instant& now) {
  if (channel_.stream().open()) return SetLevel(now);
  phase_ = OpeningStream();
  channel_.OpenStream();
  return UnderWay{};
}

// --- the stream -----------------------------------------------------------------------------

bool McpHandshake::NeedsStream() const { return channel_.legacy() || IsPush(terms_.mode); }

McpHandshake::Progress McpHandshake::OnStreamAccepted(const Instant& now) {
  if (!In<OpeningStream>()) return UnderWay{};
  return SetLevel(now);
}

McpHandshake::Progress McpHandshake::OnStreamRefused(const HttpHead& head, const Instant& now) {
  const bool none =
      !channel_.legacy() && (head.status == 405 || head.status == 404 || head.status == 400);
  if (none) channel_.stream().set_unavailable();
  if (!NeedsStream() && (none || terms_.mode == McpMode::kPoll)) return WithoutStream(now);
  return channel_.StreamRefusal(head);
}

McpHandshake::Progress McpHandshake::OnStreamDone(ConnectionFailure why, const Instant& now) {
  if (In<OpeningStream>() && terms_.mode == McpMode::kPoll) return WithoutStream(now);
  // In mode auto, the server may be one that pushes.
  if (NeedsStream() || In<OpeningStream>()) return why;
  return UnderWay{};
}

McpHandshake::Progress McpHandshake::WithoutStream(const Instant& now) {
  channel_.CloseStream();
  return SetLevel(now);
}

// --- level, tools, mode ---------------------------------------------------------------------

McpHandshake::Progress McpHandshake::SetLevel(const Instant& now) {
  if (!server_logs_) return AfterLevel(now);
  phase_ = SettingLevel();
  // Without a level the server drops every log notification, and faults are log notifications.
  channel_.SendRequest("logging/setLevel", {{"level", "info"}}, now);
  return UnderWay{};
}

McpHandshake::Progress McpHandshake::AfterLevel(const Instant& now) {
  // A gateway that renames one tool may have renamed the others.
  const bool renamed = !options_.subscribe_tool.empty() || !options_.events_tool.empty();
  return terms_.mode == McpMode::kAuto || renamed ? ListTools(now) : Finish();
}

McpHandshake::Progress McpHandshake::ListTools(const Instant& now) {
  phase_ = ListingTools{now.mono + kMaxToolTime * options_.request_timeout};
  channel_.SendRequest("tools/list", Json::object(), now);
  return UnderWay{};
}

McpHandshake::Progress McpHandshake::OnToolsListed(const JsonRpcResponse& response,
                                                   const Instant& now) {
  if (response.is_error) {
    if (terms_.mode != McpMode::kAuto) return Finish();
    return Failure(ErrorClass::kProtocol, "tools/list: " + FailureText(response));
  }
  terms_.tools.Add(ToolNames(response.result));
  auto& listing = std::get<ListingTools>(phase_);
  const std::string cursor = NextCursor(response.result);
  if (!cursor.empty() && ++listing.pages < kMaxToolPages && now.mono < listing.deadline) {
    channel_.SendRequest("tools/list", {{"cursor", cursor}}, now);
    return UnderWay{};
  }
  terms_.tools.Resolve();
  return terms_.mode == McpMode::kAuto ? ChooseMode() : Finish();
}

McpHandshake::Progress McpHandshake::ChooseMode() {
  const EventToolNames& tools = terms_.tools;
  if (!options_.subscribe_tool.empty() && !tools.Offers(EventTool::kSubscribe)) {
    return Failure(ErrorClass::kSubscription, tools.WhyNot(EventTool::kSubscribe), true);
  }
  if (!options_.events_tool.empty() && !tools.Offers(EventTool::kList)) {
    return Failure(ErrorClass::kSubscription, tools.WhyNot(EventTool::kList), true);
  }
  const bool pushes = tools.Offers(EventTool::kSubscribe);
  if (pushes && !channel_.stream().unavailable()) {
    if (!channel_.stream().open()) {
      return Failure(ErrorClass::kStreamClosed, "the server ended the stream");
    }
    terms_.mode = McpMode::kFaults;
    return Finish();
  }
  if (!tools.Offers(EventTool::kList)) {
    return Failure(ErrorClass::kSubscription,
                   (pushes ? "the server pushes faults but offers no event stream; "
                           : tools.WhyNot(EventTool::kSubscribe) + "; ") +
                       tools.WhyNot(EventTool::kList),
                   true);
  }
  terms_.mode = McpMode::kPoll;
  return Finish();
}

McpHandshake::Progress McpHandshake::Finish() {
  phase_ = Done();
  return Done{};
}

}  // namespace runner::ingest
