#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "common/base/clock.h"
#include "common/domain/incident.h"
#include "tools/faultsim/http_handler.h"
#include "tools/faultsim/mcp_session.h"

namespace runner::faultsim {

// The Streamable HTTP side of an MCP server that pushes faults, at /mcp: sessions, their one event
// stream, and the status codes of what is refused. At /c/NAME/mcp it plays the server of a cluster
// of that name, with sessions of its own and the same faults. No I/O; not thread-safe. There is no
// event store: a GET with Last-Event-ID is refused.
class McpServer final : public HttpHandler {
 public:
  static constexpr std::size_t kMaxSessions = 20'000;

  // `cluster`: what the server at /mcp says of itself. The references outlive the server.
  McpServer(Streams& streams, const Clock& clock, std::string cluster);

  // `ready` is called each time a session can be told of faults from now on: subscribed, with a
  // level that lets them through, its stream open. It must not call back into the server.
  void OnAudience(std::function<void()> ready) { on_audience_ = std::move(ready); }
  bool HasAudience() const { return audience_ > 0; }
  // Sends `fault` to every session that can be told; returns how many.
  std::size_t Publish(const FaultEvent& fault);

  HttpResponse Answer(ConnectionId connection, const HttpRequest& request) override;
  void OnStreamClosed(ConnectionId connection) override;

 private:
  struct Entry {
    McpSession session;
    std::string path;
    std::optional<ConnectionId> stream;
    bool listening = false;  // counted in audience_
  };
  using Sessions = std::map<std::string, Entry, std::less<>>;

  HttpResponse Post(const HttpRequest& request);
  HttpResponse Open(ConnectionId connection, const HttpRequest& request);
  HttpResponse Delete(const HttpRequest& request);
  HttpResponse Initialize(const std::string& path, const nlohmann::json& request);
  // The session that the request names; else `refusal` holds the answer.
  Sessions::iterator Find(const HttpRequest& request, HttpResponse& refusal);
  void UpdateAudience(Entry& entry);
  std::string NewSessionId();

  Streams& streams_;
  const Clock& clock_;
  const std::string cluster_;
  std::random_device random_;
  Sessions sessions_;
  std::unordered_map<ConnectionId, std::string> stream_owner_;
  std::uint64_t next_number_ = 1;
  std::size_t audience_ = 0;
  std::function<void()> on_audience_;
};

}  // namespace runner::faultsim
