// Queued incidents, evictions and expiry, and limits on concurrent agents.

#include <algorithm>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using ::testing::ElementsAre;
using ::testing::SizeIs;

class QueueTest : public SystemTest {
 protected:
  // Fault ids of the incidents in this state, newest first.
  std::vector<std::string> Faults(const std::string& state) {
    std::vector<std::string> names;
    for (const auto& incident : system_->Admin().List(state)) {
      names.push_back(incident.incident().fault_id());
    }
    return names;
  }
  double Ingest(const std::string& name, const MetricsText::Labels& labels = {}) {
    return system_->ingest().Metrics().Sum(name, labels);
  }

  // An agent that records its start and its end, and between them waits for Release().
  std::string StampingAgent() {
    const std::string stamps = system_->directory() / "stamps";
    return system_->ScriptAgent("echo 1 $(date +%s%N) >>" + stamps + "\nuntil [ -e " + Gate() +
                                " ]; do sleep 0.02; done\nsleep 0.1\necho -1 $(date +%s%N) >>" +
                                stamps + "\n");
  }
  std::string Gate() const { return system_->directory() / "gate"; }
  void Release() { WriteFile(Gate(), ""); }
  // Times with +1 (start) or -1 (end), in order.
  std::vector<std::pair<long long, int>> Stamps() {
    std::istringstream text(ReadFile(system_->directory() / "stamps"));
    std::vector<std::pair<long long, int>> stamps;
    long long at = 0;
    for (int change = 0; text >> change >> at;) stamps.emplace_back(at, change);
    std::sort(stamps.begin(), stamps.end());
    return stamps;
  }
  int MostAtOnce() {
    int running = 0;
    int most = 0;
    for (const auto& [at, change] : Stamps()) most = std::max(most, running += change);
    return most;
  }
};

TEST_F(QueueTest, QueuesEventsUntilAnExecutorAttaches) {
  system_->StartIngest();
  const std::string first = system_->Submit("web-0");
  const std::string second = system_->Submit("web-1");
  EXPECT_EQ(Ingest("queue_depth"), 2);
  EXPECT_GT(Ingest("queue_oldest_event_timestamp_seconds"), 0);
  EXPECT_THAT(Faults("queued"), ElementsAre("fault-web-1", "fault-web-0"));
  EXPECT_TRUE(
      system_->ingest().log().Has("Event queued", {{"incident_id", second}, {"queue_depth", 2}}));
  system_->StartExecutor({system_->TestAgent(), "exit"});
  EXPECT_EQ(system_->AwaitFinished(first).status(), "success");
  EXPECT_EQ(system_->AwaitFinished(second).status(), "success");
  EXPECT_EQ(Ingest("queue_depth"), 0);
  EXPECT_EQ(Ingest("queue_oldest_event_timestamp_seconds"), 0);
}

TEST_F(QueueTest, AFullQueueDropsTheOldest) {
  system_->StartIngest({"--cluster-queue-size", "2"});
  for (const char* name : {"a", "b", "c", "d"}) system_->Submit(name);
  EXPECT_THAT(Faults("queued"), ElementsAre("fault-d", "fault-c"));
  EXPECT_EQ(Ingest("queue_depth"), 2);
  EXPECT_EQ(Ingest("events_evicted_total", {{"reason", "overflow"}}), 2);
  EXPECT_EQ(Ingest("incidents_finished_total", {{"status", "evicted"}}), 2);
  EXPECT_TRUE(system_->ingest().log().Has("Queue overflow", {{"level", "error"},
                                                             {"cluster", System::kCluster},
                                                             {"event_id", "fault-a"},
                                                             {"policy", "drop-oldest"},
                                                             {"depth", 2}}));
}

TEST_F(QueueTest, AFullQueueRejectsTheNewestByPolicy) {
  system_->StartIngest({"--cluster-queue-size", "2", "--queue-overflow-policy", "reject"});
  system_->Submit("a");
  system_->Submit("b");
  v1::SubmitEventResponse response;
  ASSERT_TRUE(system_->Admin().Submit(System::Event("c"), &response).ok());
  EXPECT_EQ(response.result(), "rejected");
  EXPECT_THAT(Faults("queued"), ElementsAre("fault-b", "fault-a"));
  EXPECT_EQ(Ingest("events_rejected_total"), 1);
  EXPECT_EQ(Ingest("events_evicted_total"), 0);
  EXPECT_TRUE(system_->ingest().log().Has(
      "Queue overflow", {{"event_id", "fault-c"}, {"policy", "reject-newest"}, {"depth", 2}}));
}

TEST_F(QueueTest, AnOverAgeIncidentExpires) {
  system_->StartIngest({"--max-queue-age", "1", "--queue-sweep-interval", "200ms"});
  const std::string id = system_->Submit("web-0");
  EXPECT_EQ(system_->AwaitFinished(id).status(), "expired");
  const auto lines = system_->ingest().log().With(
      "Expired queued event", {{"cluster", System::kCluster}, {"event_id", "fault-web-0"}});
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(lines[0].at("level"), "warn");
  EXPECT_EQ(lines[0].at("max_age"), 1.0);
  EXPECT_GE(lines[0].at("age"), 1.0);
  EXPECT_EQ(Ingest("events_expired_total"), 1);
  EXPECT_EQ(Ingest("queue_depth"), 0);
  // The expired incident does not run later.
  system_->StartExecutor({system_->TestAgent(), "exit"});
  EXPECT_EQ(system_->AwaitFinished(system_->Submit("web-1")).status(), "success");
  EXPECT_EQ(system_->executor().Metrics().Sum("agents_spawned_total"), 1);
}

TEST_F(QueueTest, AnOverAgeIncidentDoesNotRunBetweenSweeps) {
  system_->StartIngest({"--max-queue-age", "500ms", "--queue-sweep-interval", "1h"});
  const std::string id = system_->Submit("web-0");
  ASSERT_TRUE(Eventually([at = std::chrono::steady_clock::now()] {
    return std::chrono::steady_clock::now() - at > std::chrono::milliseconds(600);
  }));
  system_->StartExecutor({system_->TestAgent(), "exit"});
  EXPECT_EQ(system_->AwaitFinished(id).status(), "expired");
  EXPECT_EQ(system_->executor().Metrics().Sum("agents_spawned_total"), 0);
}

TEST_F(QueueTest, LimitsAgentsPerCluster) {
  system_->StartWithoutPeer({StampingAgent()});
  for (const char* name : {"a", "b", "c"}) system_->Submit(name);
  ASSERT_TRUE(Eventually([this] { return Stamps().size() == 1; }));
  EXPECT_EQ(Ingest("incidents_leased"), 1);
  EXPECT_EQ(Ingest("queue_depth"), 2);
  EXPECT_EQ(system_->executor().Metrics().Sum("agents_active"), 1);
  Release();
  system_->AwaitFinished(3);
  EXPECT_THAT(Stamps(), SizeIs(6));
  EXPECT_EQ(MostAtOnce(), 1);
}

TEST_F(QueueTest, LimitsAgentsInTotal) {
  system_->StartWithoutPeer({StampingAgent()},
                            {"--max-agents-per-cluster", "10", "--max-concurrent-agents", "2"});
  for (const char* name : {"a", "b", "c", "d", "e"}) system_->Submit(name);
  ASSERT_TRUE(Eventually([this] { return Stamps().size() == 2; }));
  EXPECT_EQ(Ingest("incidents_leased"), 2);
  EXPECT_EQ(Ingest("queue_depth"), 3);
  Release();
  system_->AwaitFinished(5);
  EXPECT_THAT(Stamps(), SizeIs(10));
  EXPECT_EQ(MostAtOnce(), 2);
}

TEST_F(QueueTest, LimitsAgentsToTheSlotsOfTheExecutor) {
  system_->StartWithoutPeer({StampingAgent()},
                            {"--max-agents-per-cluster", "10", "--max-concurrent-agents", "10"},
                            {"--slots", "2"});
  for (const char* name : {"a", "b", "c", "d"}) system_->Submit(name);
  ASSERT_TRUE(Eventually([this] { return Stamps().size() == 2; }));
  EXPECT_EQ(Ingest("executor_slots", {{"state", "busy"}}), 2);
  EXPECT_EQ(Ingest("executor_slots", {{"state", "free"}}), 0);
  EXPECT_EQ(Ingest("queue_depth"), 2);
  Release();
  system_->AwaitFinished(4);
  EXPECT_EQ(MostAtOnce(), 2);
}

}  // namespace
}  // namespace runner
