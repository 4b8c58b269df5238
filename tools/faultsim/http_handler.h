#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "tools/faultsim/http_request.h"
#include "tools/faultsim/script.h"
#include "tools/faultsim/wire.h"

namespace runner::faultsim {

using ConnectionId = std::uint64_t;  // never reused

// Answers the requests of an HttpServer.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Script steps to play instead of Answer, which they may call; null: Answer.
  virtual std::shared_ptr<const Steps> StepsFor(const HttpRequest&) { return nullptr; }
  virtual HttpResponse Answer(ConnectionId connection, const HttpRequest& request) = 0;
  // The connection of an open stream was closed, by either side.
  virtual void OnStreamClosed(ConnectionId connection) = 0;
};

// The open streams of an HttpServer. Neither call re-enters the handler. Unknown and closing
// connections are ignored.
class Streams {
 public:
  virtual ~Streams() = default;
  virtual void SendEvent(ConnectionId connection, std::string_view data) = 0;
  virtual void EndStream(ConnectionId connection) = 0;
};

}  // namespace runner::faultsim
