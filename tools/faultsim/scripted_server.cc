#include "tools/faultsim/scripted_server.h"

#include <utility>

namespace runner::faultsim {

ScriptedServer::ScriptedServer(HttpHandler& server, Script script)
    : server_(server), matcher_(std::move(script)) {}

void ScriptedServer::Follow(Script script) { matcher_ = ScriptMatcher(std::move(script)); }

std::shared_ptr<const Steps> ScriptedServer::StepsFor(const HttpRequest& request) {
  return matcher_.Match(request);
}

HttpResponse ScriptedServer::Answer(ConnectionId connection, const HttpRequest& request) {
  return server_.Answer(connection, request);
}

void ScriptedServer::OnStreamClosed(ConnectionId connection) { server_.OnStreamClosed(connection); }

}  // namespace runner::faultsim
