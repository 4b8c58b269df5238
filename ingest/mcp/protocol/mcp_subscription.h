#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/clock.h"
#include "ingest/mcp/protocol/event_history.h"
#include "ingest/mcp/protocol/mcp_channel.h"
#include "ingest/mcp/protocol/mcp_handshake.h"
#include "ingest/mcp/protocol/mcp_session_options.h"
#include "ingest/mcp/protocol/pending_events.h"

namespace runner::ingest {

struct JsonRpcNotification;
struct JsonRpcResponse;

// From a session to events, and as long as they are received. By mode:
//
//   faults, events:  events_subscribe -> events_list (backfill, after a gap)
//   poll:            events_list, repeated
//
// A subscription is verified, not assumed: after the stream was reopened, and after every interval
// of silence, events_list_subscriptions must show it; a server without that tool is sent a ping
// instead. The reply to a POST proves nothing about the stream: a stream that has sent keepalive
// comments must continue to send them, and one that never did is reopened from time to time. A
// subscription that the server lists as degraded is lost: it is ended and made anew.
//
// Pure; not thread-safe. The options, the channel and the history outlive it.
class McpSubscription {
 public:
  struct Continues {};
  // No events are received any more. If `resumable`, Reopen may follow in the same session.
  struct Lost {
    ConnectionFailure failure;
    bool resumable = false;
    std::optional<WallTime> stream_ended = std::nullopt;  // set if that is the reason
  };
  // The handshake must repeat this step; Begin follows.
  struct NeedsLevel {};
  struct NeedsTools {};
  using Progress = std::variant<Continues, Lost, NeedsLevel, NeedsTools>;

  McpSubscription(const McpSessionOptions& options, McpChannel& channel, EventHistory& history);

  // The handshake is done.
  Progress Begin(const SessionTerms& terms, const Instant& now);
  // After a resumable loss: opens the stream and looks for the subscription.
  void Reopen();
  // The subscription is lost or closed. Notes the gap that begins; delivers what is pending.
  void End(std::optional<WallTime> stream_ended);

  // `listed`: the list that was read out of the message, if any; taken if it is used.
  Progress OnReply(const JsonRpcResponse& response, std::optional<EventList>& listed,
                   const Instant& now);
  Progress OnNotification(const JsonRpcNotification& notification, const Instant& now);
  // The request under way failed. One failed check or poll is tolerated.
  Progress OnRequestFailed(ConnectionFailure failure, const Instant& now);
  // The request under way was given up; `failure`: why.
  Progress OnRequestExpired(ConnectionFailure failure, const Instant& now);
  Progress OnStreamAccepted(const Instant& now);
  Progress OnStreamRefused(const HttpHead& head);
  Progress OnStreamDone(ConnectionFailure why, const Instant& now);
  Progress OnEndlessLine();
  // Delivers the next portion of a list; false: nothing is pending.
  bool DeliverPending();
  Progress OnTimer(const Instant& now);
  std::optional<MonoTime> NextDeadline() const;

 private:
  enum class State {
    kInactive,   // the handshake is under way, or the subscription is lost
    kReopening,  // the stream
    kVerifying,  // the stream was reopened: does the subscription still exist?
    kUnsubscribing,
    kSubscribing,
    kFirstPoll,   // what it shows decides whether the session counts as subscribed
    kSubscribed,  // this and all that follow; no request is under way
    kPinging,
    kChecking,
    kBackfilling,
    kPolling,
  };
  // A tool that failed while tools/list is to show whether the server offers it.
  struct RefusedTool {
    EventTool tool = EventTool::kSubscribe;
    std::string name;  // that was called
    ConnectionFailure failure;
  };

  // What the server can do, until a reply shows otherwise.
  struct ServerTools {
    bool lists_subscriptions = true;
    bool lists_events = true;
    bool selects_fields = true;  // events_list takes a fieldSelector
  };
  // Of modes faults and events.
  struct Push {
    std::string id;         // of the subscription
    bool received = false;  // any event, in this session
    MonoTime last_checked;  // or subscribed, or received
    WallTime last_proof;    // that the subscription exists
    bool check_due = false;
    bool renewal_due = false;         // the subscription is degraded
    std::optional<MonoTime> renewed;  // the latest renewal
    bool replaying = false;           // the stream was reopened after its last event
    bool replay_fills_gap = false;    // no earlier gap was open when the stream ended
    int failed_backfills = 0;         // in a row
    MonoTime next_backfill;
  };

  // --- the way to a subscription ---
  Progress BeginSubscribing(const Instant& now);
  void Verify(const Instant& now);
  void Unsubscribe(const Instant& now);
  void Subscribe(const Instant& now);
  Progress OnToolRefused(EventTool tool, ConnectionFailure failure);
  Progress RetryRefusedTool(const Instant& now);
  Progress LoseForTool(EventTool tool, ConnectionFailure failure) const;
  Progress OnSubscribeReply(const JsonRpcResponse& response, const Instant& now);
  void BecomeSubscribed(const Instant& now);

  // --- while subscribed ---
  void StartNextTask(const Instant& now);
  void Check(const Instant& now);
  void ListEvents(State task, const Instant& now);
  Progress OnCheckReply(State task, const JsonRpcResponse& response, const Instant& now);
  Progress OnEventList(State task, const JsonRpcResponse& response,
                       std::optional<EventList>& listed, const Instant& now);
  void ReportUnused(const EventList& list);
  void OnPolled(std::vector<ClusterEvent> listed, const Instant& now);
  void OnBackfilled(std::vector<ClusterEvent> listed, const Instant& now);
  void OnBackfillFailed(const std::string& detail, const Instant& now);
  Progress OnTaskFailed(State task, ConnectionFailure failure, const Instant& now);
  Progress OnDegraded(const Instant& now);
  Progress OnSubscriptionError(const JsonIn& data, const Instant& now);
  void OnPushed(DecodedEvent event, const Instant& now);
  void Deliver(std::vector<DeliverEvent> events);
  Progress OnStreamDeadline(const Instant& now);
  // Resumable if the session is.
  Lost LoseStream(ConnectionFailure failure,
                  std::optional<WallTime> stream_ended = std::nullopt) const;

  bool IsSubscribed() const { return state_ >= State::kSubscribed; }
  // Returns the task that was under way, if any.
  State EndTask();
  bool Pushes() const { return IsPush(terms_.mode); }
  bool NeedsStream() const { return channel_.legacy() || Pushes(); }
  bool OwesBackfill() const;
  std::optional<MonoTime> StreamDeadline() const;
  std::optional<MonoTime> TaskDeadline() const;

  const McpSessionOptions& options_;
  McpChannel& channel_;
  EventHistory& history_;
  SessionTerms terms_;
  State state_ = State::kInactive;
  PendingEvents pending_;
  bool reported_ = false;  // as subscribed, and not as lost since

  std::optional<RefusedTool> refused_;
  ServerTools server_;
  int failures_ = 0;  // of checks or polls, in a row
  MonoTime next_poll_;
  bool unused_reported_ = false;  // the latest list was over a limit
  Push push_;
};

}  // namespace runner::ingest
