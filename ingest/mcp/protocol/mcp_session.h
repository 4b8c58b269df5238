#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/mcp/protocol/event_history.h"
#include "ingest/mcp/protocol/event_tools.h"
#include "ingest/mcp/protocol/json_out.h"
#include "ingest/mcp/protocol/mcp_protocol.h"

namespace runner::ingest {

class JsonRpcReader;
struct JsonRpcNotification;
struct JsonRpcRequest;
struct JsonRpcResponse;

struct McpSessionOptions {
  std::string client_version;
  SourceMode mode = SourceMode::kAuto;
  Transport transport = Transport::kAuto;
  Duration request_timeout = std::chrono::seconds(10);
  Duration list_timeout = std::chrono::seconds(60);  // for the answer of events_list
  // Of silence before the subscription is checked.
  Duration ping_interval = std::chrono::seconds(30);
  Duration poll_interval = std::chrono::seconds(30);
  // For a stream that has shown keepalive comments, and for one event from its first byte to its
  // last.
  Duration idle_timeout = std::chrono::seconds(90);
  // After which a stream that shows no comments is opened anew; zero: never.
  Duration max_stream_age = std::chrono::minutes(30);
  // Whether events that happened while nobody was subscribed are looked for.
  bool backfill = true;
  // Names of the tools events_subscribe and events_list at this server; empty: as event_tools.h
  // finds them.
  std::string subscribe_tool = {};
  std::string events_tool = {};
  // Shared by the sessions of a thread, as it keeps some memory; null: the session has its own.
  std::shared_ptr<JsonRpcReader> reader;
};

// The MCP versions with sessions (2024-11-05 to 2025-11-25):
//
//   initialize -> notifications/initialized -> GET stream -> logging/setLevel, and then by mode
//   faults, events:  events_subscribe -> events_list (backfill, after a gap)
//   poll:            events_list, again and again
//   auto:            tools/list, all pages -> faults if events_subscribe is among them, else poll
//
// If a tool fails before the session is subscribed, tools/list shows whether the server offers it,
// and under which name.
//
// Over HTTP with SSE (2024-11-05) the stream comes first and tells where to post; replies come on
// it, and it is the session.
//
// A subscription is verified, not assumed: after the stream was opened, and after every interval of
// silence, events_list_subscriptions must show it; a server without that tool is sent a ping
// instead. The answer to a POST proves nothing about the stream: a stream that had shown keepalive
// comments must go on showing them, and one that never did is opened anew from time to time. A
// subscription that the server lists as degraded is lost: it is ended and made anew.
//
// One request is under way at a time. Pure: no I/O, no clock; not thread-safe.
class McpSession final : public McpProtocol {
 public:
  // `history` outlives the session.
  McpSession(McpSessionOptions options, EventHistory& history);

  SourceActions Start(const Instant& now) override;
  SourceActions Resume(const Instant& now) override;
  SourceActions Close(const Instant& now) override;
  void OnListedEvents(EventList list) override { listed_ = std::move(list); }
  SourceActions OnMessage(std::string_view text, MessageOrigin origin, const Instant& now) override;
  SourceActions OnOversize() override;
  SourceActions OnEndlessLine(const Instant& now) override;
  SourceActions OnEndpoint(const std::optional<std::string>& url, const Instant& now) override;
  SourceActions OnActivity(const StreamActivity& pulse, const Instant& now) override;
  SourceActions OnPostHead(PostId post, const HttpHead& head, const Instant& now) override;
  SourceActions OnPostDone(PostId post, const std::optional<ConnectionFailure>& failure,
                           const Instant& now) override;
  SourceActions OnStreamHead(const HttpHead& head, const Instant& now) override;
  SourceActions OnStreamDone(const std::optional<ConnectionFailure>& failure,
                             const std::string& last_event_id, const Instant& now) override;
  SourceActions OnTimer(const Instant& now) override;
  std::optional<MonoTime> NextDeadline() const override;
  bool Awaits(PostId post) const override { return request_ && request_->post == post; }

 private:
  enum class Phase {
    kIdle,
    kAwaitingEndpoint,  // HTTP with SSE: the stream has not told where to post
    kInitializing,
    kConfirming,  // notifications/initialized is under way
    kOpeningStream,
    kSettingLevel,
    kListingTools,
    kUnsubscribing,  // an earlier subscription of this session that cannot be looked for
    kSubscribing,
    kVerifying,   // the stream was opened again: is the subscription still there?
    kFirstPoll,   // what there is before anything counts
    kSubscribed,  // a check, a backfill or a poll may be under way
    kSuspended,   // lost, resumable
    kEnded,
  };
  enum class Purpose { kStep, kPing, kCheck, kBackfill, kPoll };
  struct Request {
    std::int64_t id = 0;
    PostId post = 0;
    MonoTime deadline;
    Purpose purpose = Purpose::kStep;
  };
  // The stream, and what it has shown.
  struct Stream {
    bool open = false;      // asked for, and not at its end
    bool answered = false;  // its head was a good one
    MonoTime opened;
    MonoTime told;         // a whole event or comment
    WallTime heard;        // anything at all
    MonoTime event_began;  // while mid_event
    StreamActivity pulse;
  };

  // The way to a subscription.
  void Begin(Phase phase, const Instant& now);
  void BeginInitialize(const Instant& now);
  void AfterStream(const Instant& now);
  void AfterLevel(const Instant& now);
  void BeginSubscribing(const Instant& now);
  void OnInitialized(const JsonRpcResponse& response, const Instant& now);
  void OnToolsListed(const JsonRpcResponse& response, const Instant& now);
  void ChooseMode(const Instant& now);
  void BeginListening(const Instant& now);
  void RetryWithOfferedTool(const Instant& now);
  void OnToolRefused(ConnectionFailure failure, const Instant& now);
  EventTool RefusedTool() const;
  void FailForTool();
  void OnSubscribeReply(const JsonRpcResponse& response, const Instant& now);
  void OnInitializeRefused(const ConnectionFailure& failure, int status, const Instant& now);
  void OnStreamRefused(const HttpHead& head, const Instant& now);
  void GoOnWithoutStream(const Instant& now);
  void BecomeSubscribed(const Instant& now);

  // While subscribed.
  void NextTask(const Instant& now);
  void Check(const Instant& now);
  void ListEvents(Purpose purpose, const Instant& now);
  void OnResponse(const JsonRpcResponse& response, const Instant& now);
  void OnStepReply(const JsonRpcResponse& response, const Instant& now);
  void OnCheckReply(const JsonRpcResponse& response, const Instant& now);
  void OnEventList(const JsonRpcResponse& response, Purpose purpose, const Instant& now);
  void TakePolled(std::vector<ClusterEvent> listed, const Instant& now);
  void TakeBackfilled(std::vector<ClusterEvent> listed, const Instant& now);
  void Deliver(std::vector<ClusterEvent> events, bool backfilled, const Instant& now);
  void DeliverPending();
  void FlushPending();
  void NoteUnused(const EventList& list);
  void OnDegraded(const Instant& now);
  void OnBackfillFailed(const std::string& detail, const Instant& now);
  // One failed check or poll is forgiven, everything else ends the session.
  void OnRequestFailed(Purpose purpose, ConnectionFailure failure, const Instant& now);
  void OnNotification(const JsonRpcNotification& notification, const Instant& now);
  void OnSubscriptionError(const JsonIn& data, const Instant& now);
  void Push(DecodedEvent event, const Instant& now);
  void OnRequestExpired(const Instant& now);
  void OnStreamDeadline(const Instant& now);
  void RenewStream(const Instant& now);
  std::optional<MonoTime> StreamDeadline() const;
  bool PromisesComments() const;  // the stream
  std::optional<MonoTime> TaskDeadline() const;
  bool OwesBackfill() const;

  // Sending and ending.
  void SendRequest(std::string_view method, Json params, Purpose purpose, const Instant& now);
  void CallTool(EventTool tool, Json arguments, Purpose purpose, const Instant& now);
  PostId Send(std::string body, std::optional<Duration> list_timeout = {});
  HttpHeaders SessionHeaders() const;
  void OpenTheStream(HttpHeaders headers);
  void CloseTheStream();
  void Answer(const JsonRpcRequest& request);
  void NoteGap(std::optional<WallTime> stream_ended);
  // `stream_ended`: set when that is what happened.
  void Suspend(ConnectionFailure failure, std::optional<WallTime> stream_ended = {});
  void Fail(ErrorClass error, std::string detail);
  void Fail(ConnectionFailure failure, std::optional<WallTime> stream_ended = {});
  void DropRequest();
  ConnectionFailure FailureOf(const HttpHead& head, std::string_view what) const;
  bool IsPush() const { return mode_ == SourceMode::kFaults || mode_ == SourceMode::kEvents; }
  bool NeedsStream() const { return legacy_ || IsPush(); }
  SourceActions TakeActions();

  const McpSessionOptions options_;
  EventHistory& history_;
  const std::shared_ptr<JsonRpcReader> reader_;
  SourceActions actions_;
  Phase phase_ = Phase::kIdle;
  SourceMode mode_;  // kAuto until the tools are known

  std::optional<Request> request_;
  PostId confirmation_ = 0;
  std::set<PostId> replies_;  // to requests of the server, under way
  PostId last_post_ = 0;
  std::int64_t last_id_ = 0;

  bool legacy_ = false;                       // HTTP with SSE
  std::string post_url_;                      // there
  MonoTime endpoint_due_;                     // in kAwaitingEndpoint
  std::optional<ConnectionFailure> refusal_;  // of Streamable HTTP, before the other was tried

  std::string session_id_;
  std::string protocol_version_;
  bool server_logs_ = false;
  std::string level_refusal_;  // what the server said to logging/setLevel
  int tool_pages_ = 0;
  MonoTime tools_due_;  // what pages come later are not asked for
  EventToolNames tools_;
  std::optional<ConnectionFailure> tool_refusal_;  // why tools/list is asked, outside of mode auto
  Phase refused_phase_ = Phase::kIdle;             // the step that failed
  std::string refused_tool_;                       // and the name it used
  std::optional<EventList> listed_;                // of the message that comes next
  std::string subscription_id_;
  bool announced_ = false;       // Subscribed was told, and nothing else since
  bool can_list_ = true;         // the server has events_list_subscriptions
  bool can_list_events_ = true;  // and events_list
  bool can_select_ = true;       // which takes a fieldSelector
  bool check_due_ = false;       // of the subscription
  bool renewal_due_ = false;     // of a degraded one
  std::optional<MonoTime> renewed_;
  bool pushed_ = false;         // anything, by this session
  bool warned_unused_ = false;  // the latest list was not used whole, and that was said
  int unanswered_ = 0;          // checks or polls in a row
  int backfills_failed_ = 0;
  MonoTime next_backfill_;
  MonoTime last_checked_;  // or subscribed, or pushed to
  WallTime last_proof_;    // of the subscription
  MonoTime next_poll_;
  // New events of a list, not delivered yet: reading long messages takes time, and other clusters
  // wait for the thread.
  struct Pending {
    ClusterEvent event;
    bool backfilled = false;
  };
  std::deque<Pending> pending_;
  Instant pending_since_;

  Stream stream_;
  bool stream_refused_ = false;  // the server has none
  bool resuming_ = false;        // the stream is opened again, the subscription may be there
  std::string last_event_id_;
  bool replayed_ = false;           // the stream went on where it had ended
  bool replay_covers_gap_ = false;  // there was none before it ended
};

}  // namespace runner::ingest
