#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "ingest/mcp/protocol/jsonrpc.h"
#include "ingest/mcp/protocol/mcp_protocol.h"
#include "ingest/mcp/protocol/mcp_session.h"

namespace runner::ingest {

// In place of a connection: tracks what the actions of a protocol put under way, and checks every
// action against the contract of mcp_protocol.h and mcp_session.h. Ends the program on a breach.
class SessionContract {
 public:
  struct Post {
    bool head_given = false;
    bool accepted = false;   // the head was a good one: a body may follow
    bool is_stream = false;  // and it is a stream
  };
  enum class Life { kConnecting, kSubscribed, kSuspended, kEnded };

  // Reads with the reader of the options, between the calls of the session.
  explicit SessionContract(McpSessionOptions options)
      : options_(std::move(options)), legacy_(options_.transport == Transport::kSse) {}

  // The actions that one input has returned.
  void Performed(const McpActions& actions, const McpProtocol& protocol);
  // Must be called before the protocol receives the same.
  void Messages(std::string_view text);
  void PostHead(PostId post, const HttpHead& head);
  void PostResumed(PostId post) { posts_.at(post) = Post{}; }
  void PostDone(PostId post) { posts_.erase(post); }
  void StreamHead() { stream_answered_ = true; }
  void Endpoint(const std::string& url);
  void EndlessLine() { last_event_id_.clear(); }
  void StreamDone(const std::string& last_event_id);
  void Resuming() { life_ = Life::kConnecting; }
  void Closing() { closing_ = true; }
  // After Close().
  void Closed(const McpProtocol& protocol);

  const std::map<PostId, Post>& posts() const { return posts_; }
  std::optional<PostId> request_post() const { return request_post_; }
  std::int64_t request_id() const { return last_request_id_; }
  bool lists_events() const { return lists_events_; }  // the request that awaits its reply
  bool stream_open() const { return stream_open_; }
  bool stream_answered() const { return stream_answered_; }
  StreamActivity& activity() { return activity_; }  // of the open stream
  Life life() const { return life_; }
  bool polls() const { return mode_ == McpMode::kPoll; }
  std::size_t delivered() const { return delivered_; }

 private:
  void On(const PostMessage& action);
  void On(const CancelPost& action);
  void On(const OpenStream& action);
  void On(const CloseStream& action);
  void On(const DeleteSession& action);
  void On(const DeliverEvent& action);
  void On(const Subscribed& action);
  void On(const ConnectionLost& action);
  void On(const McpWarning& action);
  void On(const EntriesDropped& action);
  void OnRequest(const JsonRpcRequest& request, const PostMessage& action);
  void CheckHeaders(const HttpHeaders& headers, bool initializing) const;
  void CheckWaiting(const McpProtocol& protocol) const;

  McpSessionOptions options_;
  Life life_ = Life::kConnecting;
  McpMode mode_ = McpMode::kAuto;  // kAuto until a subscription is reported
  std::map<PostId, Post> posts_;
  PostId last_post_ = 0;
  std::int64_t last_request_id_ = 0;
  std::int64_t initialize_id_ = 0;
  std::optional<PostId> request_post_;  // of the request that awaits its reply
  bool lists_events_ = false;
  std::set<std::int64_t> batch_;  // what the present message may answer
  std::string session_id_;
  bool initialized_ = false;
  bool legacy_ = false;   // HTTP with SSE
  std::string endpoint_;  // there
  bool stream_open_ = false;
  bool stream_answered_ = false;
  StreamActivity activity_;
  std::string last_event_id_;
  std::size_t delivered_ = 0;
  bool deleted_ = false;
  bool closing_ = false;
};

}  // namespace runner::ingest
