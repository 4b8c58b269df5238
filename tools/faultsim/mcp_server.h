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

// An MCP server that pushes faults over Streamable HTTP at /mcp: sessions, their event stream, and
// the status codes of rejected requests. At /c/NAME/mcp it simulates the server of the cluster
// NAME, with its own sessions and the same faults. No I/O; not thread-safe. There is no event
// store: a GET with Last-Event-ID is rejected.
class McpServer final : public HttpHandler {
 public:
  static constexpr std::size_t kMaxSessions = 20'000;

  // `cluster`: the cluster name at /mcp. The references must outlive the server.
  McpServer(Streams& streams, const Clock& clock, std::string cluster);

  // `ready` is called each time a session becomes able to receive faults: subscribed, with a log
  // level that includes them, and with an open stream. It must not call back into the server.
  void OnAudience(std::function<void()> ready) { on_audience_ = std::move(ready); }
  bool HasAudience() const { return audience_ > 0; }
  // Sends `fault` to every session that can receive it; returns their number.
  std::size_t Publish(const FaultEvent& fault);

  HttpResponse Answer(ConnectionId connection, const HttpRequest& request) override;
  void OnStreamClosed(ConnectionId connection) override;

 private:
  struct Entry {
    McpSession session;
    std::string path;
    std::optional<ConnectionId> stream;
    bool ready = false;  // counted in audience_
  };
  using Sessions = std::map<std::string, Entry, std::less<>>;

  HttpResponse Post(const HttpRequest& request);
  HttpResponse Open(ConnectionId connection, const HttpRequest& request);
  HttpResponse Delete(const HttpRequest& request);
  HttpResponse Initialize(const std::string& path, const nlohmann::json& request);
  // Returns the session that the request names. If there is none, sets `rejection`.
  Sessions::iterator Find(const HttpRequest& request, HttpResponse& rejection);
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
