#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "tools/faultsim/http_request.h"
#include "tools/faultsim/script.h"
#include "tools/faultsim/wire.h"

namespace runner::faultsim {

using ConnectionId = std::uint64_t;  // never reused

// What stands behind an HttpServer.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Steps to take instead of the plain answer, which they may ask for; null: answer.
  virtual std::shared_ptr<const Steps> StepsFor(const HttpRequest&) { return nullptr; }
  virtual HttpResponse Answer(ConnectionId connection, const HttpRequest& request) = 0;
  // The connection of an open stream is gone, whoever ended it.
  virtual void OnStreamClosed(ConnectionId connection) = 0;
};

// The open streams of an HttpServer. Neither call comes back into the handler.
// A connection that is gone or going is ignored.
class Streams {
 public:
  virtual ~Streams() = default;
  virtual void SendEvent(ConnectionId connection, std::string_view data) = 0;
  virtual void EndStream(ConnectionId connection) = 0;
};

}  // namespace runner::faultsim
