#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ingest/mcp/event_source.h"
#include "ingest/mcp/json_out.h"

namespace runner::ingest {

class JsonRpcReader;
struct JsonRpcNotification;
struct JsonRpcResponse;

struct McpSessionOptions {
  std::string client_version;
  Duration request_timeout = std::chrono::seconds(10);
  Duration ping_interval =
      std::chrono::seconds(30);  // of silence before the subscription is checked
  // Shared by the sessions of a thread, as it keeps some memory; null: the session has its own.
  std::shared_ptr<JsonRpcReader> reader = nullptr;
};

// The MCP versions with sessions (2024-11-05 to 2025-11-25) over Streamable HTTP, in push mode for
// faults:
//
//   initialize -> notifications/initialized -> GET stream -> logging/setLevel -> events_subscribe
//
// A subscription is verified, not assumed: after the stream was opened again, and after every
// interval of silence, events_list_subscriptions must show it; a server without that tool is sent a
// ping instead. A server that drops its subscription, ends the stream or forgets the session is
// told apart by the failure it causes.
//
// One request is under way at a time. Pure: no I/O, no clock; not thread-safe.
class McpSession final : public EventSource {
 public:
  explicit McpSession(McpSessionOptions options);

  SourceActions Start(const Instant& now) override;
  SourceActions Resume(const Instant& now) override;
  SourceActions Close() override;
  SourceActions OnMessage(std::string_view text, MessageOrigin origin, const Instant& now) override;
  SourceActions OnOversize() override;
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
    kInitializing,
    kConfirming,  // notifications/initialized is under way
    kOpeningStream,
    kSettingLevel,
    kSubscribing,
    kVerifying,   // the stream was opened again: is the subscription still there?
    kSubscribed,  // a check after silence may be under way
    kSuspended,   // lost, resumable
    kEnded,
  };
  struct Request {
    std::int64_t id = 0;
    PostId post = 0;
    MonoTime deadline;
    bool ping = false;
  };

  void SendRequest(std::string_view method, Json params, const Instant& now);
  void CallTool(std::string_view tool, Json arguments, const Instant& now);
  PostId Send(std::string body);
  HttpHeaders SessionHeaders() const;
  void Begin(Phase phase, const Instant& now);
  void Check(const Instant& now);
  void BecomeSubscribed(const Instant& now);

  void OnResponse(const JsonRpcResponse& response, const Instant& now);
  void OnInitialized(const JsonRpcResponse& response, const Instant& now);
  void OnSubscribeReply(const JsonRpcResponse& response, const Instant& now);
  void OnCheckReply(const JsonRpcResponse& response, bool ping, const Instant& now);
  // One failed check is forgiven, everything else ends the session.
  void OnCheckFailed(ConnectionFailure failure, const Instant& now);
  void OnNotification(const JsonRpcNotification& notification, const Instant& now);
  void OnRequestExpired(const Instant& now);

  void Suspend(ConnectionFailure failure);
  void Fail(ErrorClass error, std::string detail);
  void Fail(ConnectionFailure failure);
  void DropRequest();
  ConnectionFailure FailureOf(const HttpHead& head, std::string_view what) const;
  SourceActions TakeActions();

  const McpSessionOptions options_;
  const std::shared_ptr<JsonRpcReader> reader_;
  SourceActions actions_;
  Phase phase_ = Phase::kIdle;
  std::optional<Request> request_;
  PostId confirmation_ = 0;
  PostId last_post_ = 0;
  std::int64_t last_id_ = 0;
  std::string session_id_;
  std::string protocol_version_;
  bool server_logs_ = false;
  std::string subscription_id_;
  bool can_list_ = true;  // the server has events_list_subscriptions
  bool stream_open_ = false;
  bool resuming_ = false;
  std::string last_event_id_;
  MonoTime last_heard_;
  int unanswered_checks_ = 0;
};

}  // namespace runner::ingest
