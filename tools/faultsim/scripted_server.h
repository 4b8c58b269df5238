#pragma once

#include <memory>

#include "tools/faultsim/http_handler.h"
#include "tools/faultsim/script.h"
#include "tools/faultsim/script_matcher.h"

namespace runner::faultsim {

// A server that behaves as its script says, and otherwise as the one behind it. Not thread-safe.
class ScriptedServer final : public HttpHandler {
 public:
  // `server` outlives this.
  explicit ScriptedServer(HttpHandler& server, Script script = {});

  // Another script from the next request on, which counts anew.
  void Follow(Script script);

  std::shared_ptr<const Steps> StepsFor(const HttpRequest& request) override;
  HttpResponse Answer(ConnectionId connection, const HttpRequest& request) override;
  void OnStreamClosed(ConnectionId connection) override;

 private:
  HttpHandler& server_;
  ScriptMatcher matcher_;
};

}  // namespace runner::faultsim
