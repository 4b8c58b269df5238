// Hostile values from every source are carried as data, and never run, obeyed or trusted.

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using nlohmann::json;
using ::testing::Each;
using ::testing::ElementsAre;

class HostileTest : public PeerTest {
 protected:
  // Agents write the name that they receive to a file.
  void Start(const Words& ingest_flags = {}) {
    system_->Start({system_->ScriptAgent("printf %s \"$RUNNER_RESOURCE_NAME\" >name\n")},
                   ingest_flags);
  }
  static constexpr const char* kEvilId = "../$(reboot)\n{\"msg\":\"Shutdown complete\"}\x1b[2J";
  // Text that would run a command in a shell, leave the workspace, end a log line, forge the next
  // one and clear a terminal.
  std::string Evil() const {
    const std::string touch = "touch " + (system_->directory() / "executed").string();
    return "../../$(" + touch + ")`" + touch + "`;" + touch +
           "\n{\"level\":\"info\",\"msg\":\"Shutdown complete\"}\n\x1b[2J\r\x07 end";
  }
  json EvilFault() const {
    const std::string evil = Evil();
    return {{"faultId", kEvilId},
            {"faultType", evil},
            {"severity", "critical"},
            {"cluster", "../forged"},
            {"context", evil},
            {"resource",
             {{"apiVersion", evil},
              {"kind", evil},
              {"name", evil},
              {"namespace", evil},
              {"uid", evil}}}};
  }
  // An event for the tool events_list in which every field is hostile.
  json EvilEvent() const {
    return {{"kind", Evil()},   {"name", Evil()},    {"namespace", Evil()},
            {"reason", Evil()}, {"message", Evil()}, {"apiVersion", Evil()}};
  }
  void ExpectTheOnlyIncidentWasMerelyCarried() {
    const auto incident = system_->AwaitFinished(1).front();
    const std::string id = incident.incident().incident_id();
    EXPECT_EQ(incident.status(), "success") << incident.reason();
    EXPECT_FALSE(std::filesystem::exists(system_->directory() / "executed"));
    EXPECT_EQ(incident.incident().cluster(), System::kCluster);
    EXPECT_EQ(incident.incident().resource().name(), Evil());

    const auto workspace = system_->Workspace(id);
    const json document = json::parse(ReadFile(workspace / "incident.json"));
    EXPECT_EQ(document.at("resource").at("name"), Evil());
    EXPECT_EQ(ReadFile(workspace / "name"), Evil());
    std::set<std::string> entries;
    for (const auto& entry : std::filesystem::directory_iterator(workspace.parent_path())) {
      entries.insert(entry.path().filename());
    }
    EXPECT_THAT(entries, ::testing::UnorderedElementsAre(id, ".spool"));
    ExpectNothingForged();
  }
  void ExpectNothingForged() {
    for (ServiceProcess* service : system_->services()) {
      EXPECT_TRUE(service->log().OtherLines().empty());
      EXPECT_FALSE(service->log().Has("Shutdown complete"));
      EXPECT_THAT(service->Metrics().Values("cluster"), Each(System::kCluster));
    }
  }
  // The log messages in order, from the subscription on.
  std::vector<std::string> Messages() {
    std::vector<std::string> messages;
    for (const json& line : system_->ingest().log().Lines()) messages.push_back(line.at("msg"));
    const auto from = std::find(messages.begin(), messages.end(), "SSE connection established");
    messages.erase(messages.begin(), from);
    std::erase(messages, "Executor attached");  // at any position
    return messages;
  }
};

TEST_F(HostileTest, AFaultRunsNothingAndForgesNothing) {
  Start();
  ASSERT_EQ(system_->peer().Push(EvilFault()), 1);
  ExpectTheOnlyIncidentWasMerelyCarried();
}

TEST_F(HostileTest, APolledEventRunsNothingAndForgesNothing) {
  system_->StartPeer({"--no-tool", "events_subscribe"});
  Start({"--poll-interval", "300ms"});
  system_->peer().Control("list-event", EvilEvent());
  ExpectTheOnlyIncidentWasMerelyCarried();
}

TEST_F(HostileTest, ABackfilledEventRunsNothingAndForgesNothing) {
  Start({"--sse-reconnect-initial-delay", "0.4"});
  ASSERT_EQ(system_->peer().Control("close-streams").at("closed"), 1);
  system_->peer().Control("list-event", EvilEvent());
  ExpectTheOnlyIncidentWasMerelyCarried();
  EXPECT_EQ(system_->ingest().Metrics().Sum("events_backfilled_total"), 1);
}

TEST_F(HostileTest, TheTextOfAnErrorRunsNothingAndForgesNothing) {
  Start();
  system_->peer().Control("notify-subscription-error", {{"error", Evil()}});
  ASSERT_TRUE(Eventually([&] { return system_->ingest().log().Has("Subscription degraded"); }));
  ExpectNothingForged();
}

TEST_F(HostileTest, EachInputLogsExactlyItsLines) {
  Start();
  FaultServer& peer = system_->peer();
  ASSERT_EQ(peer.Push(EvilFault()), 1);
  system_->AwaitFinished(1);
  ASSERT_EQ(peer.Push(EvilFault()), 1);                                       // a duplicate
  ASSERT_EQ(peer.PushRaw("{\"faultType\":" + json(Evil()).dump() + "}"), 1);  // without a resource
  ASSERT_EQ(peer.PushRaw(json(Evil()).dump()), 1);                            // not a fault
  peer.Control("notify-subscription-error", {{"error", Evil()}});
  ASSERT_TRUE(Eventually([&] { return system_->ingest().log().Has("Subscription degraded"); }));
  ExpectNothingForged();
  EXPECT_THAT(Messages(),
              ElementsAre("SSE connection established", "Event received", "Event queued",
                          "Incident leased", "Incident finished", "Event received",
                          "Event filtered", "Invalid event dropped", "Subscription degraded"));
  EXPECT_EQ(system_->ingest().log().With("Event received").front().at("event_id"), kEvilId);
}

}  // namespace
}  // namespace runner
