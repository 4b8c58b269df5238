#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "ingest/mcp/protocol/json_out.h"
#include "ingest/mcp/protocol/mcp_protocol.h"
#include "ingest/mcp/protocol/mcp_stream.h"

namespace runner::ingest {

struct JsonRpcRequest;

// What the handshake and the subscription of a session share: the request that is under way, the
// stream, the headers of both, and the actions that the next input returns. Pure; not thread-safe.
class McpChannel {
 public:
  McpChannel(Transport transport, Duration request_timeout);

  // --- the session ---
  // HTTP with SSE (MCP 2024-11-05): the stream names the URL for POSTs and carries the replies.
  void UseLegacyTransport() { legacy_ = true; }
  void SetPostUrl(std::string url) { post_url_ = std::move(url); }
  void SetSessionId(std::string id) { session_id_ = std::move(id); }
  void SetProtocolVersion(std::string_view version) { protocol_version_ = version; }
  bool legacy() const { return legacy_; }
  const std::string& session_id() const { return session_id_; }
  const std::string& protocol_version() const { return protocol_version_; }

  // --- requests: one at a time ---
  // `list_timeout`: set for a list of events, which has its own limits.
  void SendRequest(std::string_view method, Json params, const Instant& now,
                   std::optional<Duration> list_timeout = std::nullopt);
  void CallTool(const std::string& tool, Json arguments, const Instant& now,
                std::optional<Duration> list_timeout = std::nullopt);
  // Whether the response with this id answers the request under way, which then is over.
  bool TakeReply(std::int64_t id);
  bool HasRequest() const { return request_.has_value(); }
  bool Awaits(PostId post) const { return request_ && request_->post == post; }
  std::optional<MonoTime> RequestDeadline() const;
  void CancelRequest();
  // Gives the request under way up and returns why. Notifies the server, except of initialize (MCP,
  // Cancellation).
  ConnectionFailure ExpireRequest();

  // --- messages that have no reply ---
  PostId Notify(std::string_view method, Json params = Json());
  // Beyond a few at a time, requests of the server are not answered.
  void Answer(const JsonRpcRequest& request);
  void OnPostDone(PostId post) { answers_.erase(post); }

  // --- the stream ---
  McpStream& stream() { return stream_; }
  const McpStream& stream() const { return stream_; }
  void OpenStream();
  // After the last event that was received.
  void ReopenStream();
  void CloseStream();

  // --- failures ---
  // The server answered with an error status.
  ConnectionFailure Refusal(const HttpHead& head, std::string_view method) const;
  // The server answered the GET with anything but a stream.
  ConnectionFailure StreamRefusal(const HttpHead& head) const;

  // --- actions ---
  void Emit(McpAction action) { actions_.push_back(std::move(action)); }
  McpActions TakeActions() { return std::exchange(actions_, {}); }
  // Ends the session at the server, if it has one.
  void EmitDelete();

 private:
  struct Request {
    std::int64_t id = 0;
    PostId post = 0;
    MonoTime deadline;
  };
  PostId Post(std::string body, std::optional<Duration> list_timeout = std::nullopt);
  void OpenStreamWith(HttpHeaders headers);
  HttpHeaders SessionHeaders() const;
  // The URL has worked before.
  bool InSession() const { return !session_id_.empty() || !post_url_.empty(); }

  const Duration request_timeout_;
  bool legacy_;
  std::string post_url_;  // of HTTP with SSE; empty: the configured endpoint
  std::string session_id_;
  std::string protocol_version_;  // empty until the reply to initialize
  std::optional<Request> request_;
  std::int64_t last_id_ = 0;
  PostId last_post_ = 0;
  std::set<PostId> answers_;  // to requests of the server, under way
  McpStream stream_;
  McpActions actions_;
};

}  // namespace runner::ingest
