#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "common/base/backoff.h"
#include "common/loop/event_loop.h"
#include "common/security/bearer_token.h"
#include "ingest/mcp/protocol/connection_listener.h"
#include "ingest/mcp/protocol/event_history.h"
#include "ingest/mcp/protocol/mcp_protocol.h"
#include "ingest/mcp/transport/connect_limiter.h"
#include "ingest/mcp/transport/connection_options.h"
#include "ingest/mcp/transport/cookie_jar.h"
#include "ingest/mcp/transport/http_client.h"
#include "ingest/mcp/transport/secrets.h"

namespace runner::ingest {

// The connection to one MCP server: carries out the actions of the protocol over HTTP, forwards
// what is received, and retries with backoff after each failure. From the first request to the
// subscription it needs a place in the limiter that all connections share.
//
// Belongs to the thread of the event loop.
class ClusterConnection final : private ConnectLimiter::Waiter {
 public:
  // The history outlives the protocol.
  using NewProtocol =
      std::function<std::unique_ptr<McpProtocol>(const ConnectionOptions&, EventHistory&)>;
  using Random01 = std::function<double()>;

  ClusterConnection(ConnectionOptions options, EventLoop& event_loop, HttpClient& http,
                    ConnectLimiter& limiter, ConnectionListener& listener, NewProtocol new_protocol,
                    Random01 random, EventHistory history = {});
  ~ClusterConnection() override;
  ClusterConnection(const ClusterConnection&) = delete;
  ClusterConnection& operator=(const ClusterConnection&) = delete;

  void Connect();
  // Deletes the session and does not reconnect. `closed` runs when the server has answered.
  void Close(std::function<void()> closed);
  // For the connection that replaces this one. After Close.
  EventHistory TakeHistory() { return std::exchange(history_, {}); }

 private:
  class Exchange;  // connection_exchange.h
  class PostExchange;
  class StreamExchange;
  class DeleteExchange;

  enum class Attempt { kNewSession, kResumption };

  void Begin(Attempt attempt);
  void OnTurn() override;
  void Proceed();
  void LeaveLimiter();
  void WatchForAnswer();
  void OnServerAnswered();
  bool Resolving() const;  // a name, for some request
  HttpRequest Request(const std::string& method, const HttpHeaders& headers, bool stream) const;
  void Perform(McpActions actions);
  void Do(PostMessage& action);
  void Do(CancelPost& action);
  void Do(OpenStream& action);
  void Do(CloseStream& action);
  void Do(DeleteSession& action);
  void Do(DeliverEvent& action);
  void Do(Subscribed& action);
  void Do(ConnectionLost& action);
  void Do(McpWarning& action);
  void Do(EntriesDropped& action);
  void RetryAfterDelay(const ConnectionLost& lost);
  void RearmTimer();
  void OnDeadline();
  void DropPosts();

  const ConnectionOptions options_;
  EventLoop& event_loop_;
  HttpClient& http_;
  ConnectLimiter& limiter_;
  ConnectionListener& listener_;
  const NewProtocol new_protocol_;
  const Random01 random_;
  std::optional<BearerToken> token_;
  Secrets secrets_;  // masked in every text of the server
  Backoff backoff_;
  EventHistory history_;
  std::unique_ptr<McpProtocol> protocol_;
  std::shared_ptr<CookieJar> cookies_;  // of the session
  std::unordered_map<PostId, std::unique_ptr<PostExchange>> posts_;
  std::unique_ptr<StreamExchange> stream_;
  std::unique_ptr<DeleteExchange> delete_request_;
  EventLoop::TimerId timer_ = EventLoop::kNoTimer;
  MonoTime timer_at_;
  EventLoop::TimerId retry_timer_ = EventLoop::kNoTimer;
  EventLoop::TimerId answer_timer_ = EventLoop::kNoTimer;  // while it has a place in the limiter
  int unanswered_ticks_ = 0;                               // of that timer
  std::function<void()> closed_;
  std::optional<Duration> server_retry_;  // the `retry` of the stream, for the next delay
  Attempt next_ = Attempt::kNewSession;
  int attempt_ = 0;
  std::string_view silence_advice_;  // of a request that the latest actions cancelled
  bool subscribed_ = false;
  std::set<std::string> warned_;  // warnings that are given once
  bool connecting_ = false;
  bool failed_ = false;  // the latest attempt reached no subscription
};

}  // namespace runner::ingest
