#pragma once

#include <memory>

#include "tools/faultsim/http_handler.h"
#include "tools/faultsim/script.h"
#include "tools/faultsim/script_matcher.h"

namespace runner::faultsim {

// Plays a script, and passes other requests to the server behind it. Not thread-safe.
class ScriptedServer final : public HttpHandler {
 public:
  // `server` must outlive this.
  explicit ScriptedServer(HttpHandler& server, Script script = {});

  // Replaces the script from the next request on and resets its counts.
  void Follow(Script script);

  std::shared_ptr<const Steps> StepsFor(const HttpRequest& request) override;
  HttpResponse Answer(ConnectionId connection, const HttpRequest& request) override;
  void OnStreamClosed(ConnectionId connection) override;

 private:
  HttpHandler& server_;
  ScriptMatcher matcher_;
};

}  // namespace runner::faultsim
