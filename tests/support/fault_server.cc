#include "tests/support/fault_server.h"

namespace runner::support {

int FaultServer::Push(const nlohmann::json& fault) { return Control("fault", fault).at("sent"); }

int FaultServer::PushRaw(const std::string& data) { return ControlText("raw", data).at("sent"); }

int FaultServer::Subscribed() {
  const nlohmann::json state = State();
  int count = 0;
  for (const auto& session : state.at("sessions")) {
    if (session.at("streamOpen") && !session.at("subscriptions").empty()) ++count;
  }
  return count;
}

}  // namespace runner::support
