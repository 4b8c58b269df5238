// Many clusters and several executors: limits and fairness, measured by the agents; and the circuit
// breaker.

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Pair;
using ::testing::SizeIs;

// A record that an agent writes.
struct Stamp {
  long long at = 0;
  bool start = false;
  std::string cluster;
  std::string executor;
  std::string incident;
};

class SchedulingTest : public SystemTest {
 protected:
  // An agent that records its start and its end, also on SIGTERM, and runs `work` between them.
  std::string StampingAgent(const std::string& work) {
    const std::string stamps = system_->directory() / "stamps";
    return system_->ScriptAgent(
        // A signal to the group ends date(1) as well, so it is retried.
        "stamp() { until at=$(date +%s%N); do :; done; echo \"$at $1 $RUNNER_CLUSTER $EXECUTOR "
        "$RUNNER_INCIDENT_ID\" >>" +
        stamps + "; }\ntrap 'stamp stop; exit 1' TERM\nstamp start\n" + work + "\nstamp stop\n");
  }
  ServiceProcess& StartExecutor(const std::string& agent, const std::string& id, int slots) {
    return system_->StartExecutor(
        {agent}, {"--executor-id", id, "--slots", std::to_string(slots), "--agent-kill-grace", "1",
                  "--agent-env", "EXECUTOR=" + id, "--workspace-root", system_->directory() / id});
  }
  std::vector<Stamp> Stamps() {
    std::istringstream text(ReadFile(system_->directory() / "stamps"));
    std::vector<Stamp> stamps;
    Stamp stamp;
    for (std::string what;
         text >> stamp.at >> what >> stamp.cluster >> stamp.executor >> stamp.incident;) {
      stamp.start = what == "start";
      stamps.push_back(stamp);
    }
    std::sort(stamps.begin(), stamps.end(),
              [](const Stamp& a, const Stamp& b) { return a.at < b.at; });
    return stamps;
  }
  // The maximum of concurrent agents, by the key that `of` returns.
  std::map<std::string, int> MostAtOnce(const std::function<std::string(const Stamp&)>& of) {
    std::map<std::string, int> running;
    std::map<std::string, int> most;
    for (const Stamp& stamp : Stamps()) {
      int& now = running[of(stamp)] += stamp.start ? 1 : -1;
      most[of(stamp)] = std::max(most[of(stamp)], now);
    }
    return most;
  }
  double Ingest(const std::string& name, const MetricsText::Labels& labels = {}) {
    return system_->ingest().Metrics().Sum(name, labels);
  }
  static Words Clusters(int count) {
    Words names;
    for (int i = 0; i < count; ++i) names.push_back("c" + std::to_string(i));
    return names;
  }
};

TEST_F(SchedulingTest, ThreeExecutorsShareTwoHundredIncidentsOfFortyClustersWithinAllLimits) {
  constexpr int kIncidents = 200;
  system_->StartIngestOf(Clusters(40), {"--max-concurrent-agents", "6", "--max-agents-per-cluster",
                                        "2", "--lease-ttl", "3"});
  const std::string agent = StampingAgent("sleep 0.2 & wait $!");
  StartExecutor(agent, "e0", 3);
  ServiceProcess& victim = StartExecutor(agent, "e1", 3);
  StartExecutor(agent, "e2", 2);
  ASSERT_TRUE(Eventually([this] { return Ingest("executors_connected") == 3; }));
  std::set<std::string> submitted;
  for (int i = 0; i < kIncidents; ++i) {
    submitted.insert(
        system_->Submit("pod-" + std::to_string(i), "error", "c" + std::to_string(i % 40)));
  }
  const auto finished = [this] { return Ingest("incidents_finished_total"); };
  ASSERT_TRUE(Eventually([&] { return 4 * finished() >= kIncidents; }, 60s));
  victim.process().Kill();
  ASSERT_TRUE(Eventually([&] { return 2 * finished() >= kIncidents; }, 60s));
  StartExecutor(agent, "e3", 3);
  ASSERT_TRUE(Eventually([&] { return finished() >= kIncidents; }, 60s));

  EXPECT_EQ(Ingest("incidents_finished_total", {{"status", "success"}}), kIncidents);
  std::multiset<std::string> ended;
  for (const auto& line : system_->ingest().log().With("Incident finished")) {
    ended.insert(line.at("incident_id"));
  }
  EXPECT_EQ(ended, std::multiset<std::string>(submitted.begin(), submitted.end()))
      << "each ends once";
  EXPECT_THAT(MostAtOnce([](const Stamp& s) { return s.cluster; }), Each(Pair(testing::_, Le(2))));
  EXPECT_THAT(MostAtOnce([](const Stamp&) { return "all"; }), Each(Pair("all", Le(6))));
  const auto by_executor = MostAtOnce([](const Stamp& s) { return s.executor; });
  EXPECT_THAT(by_executor, SizeIs(4)) << "each executor has run agents";
  for (const auto& [executor, most] : by_executor) EXPECT_LE(most, executor == "e2" ? 2 : 3);
}

TEST_F(SchedulingTest, AClusterThatFloodsDoesNotDelayAnother) {
  system_->StartIngestOf({"noisy", "quiet"}, {"--max-concurrent-agents", "1"});
  const std::string gate = system_->directory() / "gate";
  StartExecutor(StampingAgent("until [ -e " + gate + " ]; do sleep 0.02; done"), "e0", 1);
  for (int i = 0; i < 50; ++i) system_->Submit("pod-" + std::to_string(i), "error", "noisy");
  ASSERT_TRUE(Eventually([this] { return !Stamps().empty(); }));
  system_->Submit("pod", "error", "quiet");
  WriteFile(gate, "");
  ASSERT_TRUE(Eventually([this] { return Ingest("incidents_finished_total") == 51; }, 60s));
  Words order;
  for (const Stamp& stamp : Stamps()) {
    if (stamp.start) order.push_back(stamp.cluster);
  }
  ASSERT_THAT(order, SizeIs(51));
  const auto turn = std::find(order.begin(), order.end(), "quiet") - order.begin();
  EXPECT_LE(turn, 2) << "after the one that ran, and at most one more";
}

TEST_F(SchedulingTest, DuplicatesAreMergedAndRunOnce) {
  system_->StartIngest();
  const std::string id = system_->Submit("web", "warning");
  v1::SubmitEventResponse response;
  ASSERT_TRUE(system_->Admin().Submit(System::Event("web", "critical"), &response).ok());
  EXPECT_EQ(response.result(), "filtered");
  EXPECT_EQ(response.reason(), "duplicate");
  EXPECT_EQ(response.incident_id(), id);
  StartExecutor(StampingAgent(""), "e0", 1);
  const v1::IncidentStatus incident = system_->AwaitFinished(id);
  EXPECT_EQ(incident.incident().occurrences(), 2u);
  EXPECT_EQ(incident.incident().severity(), "critical");
  EXPECT_EQ(Ingest("events_filtered_total", {{"reason", "duplicate"}}), 1);
  ASSERT_TRUE(system_->Admin().Submit(System::Event("web"), &response).ok());
  EXPECT_EQ(response.reason(), "duplicate") << "within the window after the run";
  EXPECT_THAT(Stamps(), SizeIs(2));
}

class BreakerTest : public PeerTest {
 protected:
  double Ingest(const std::string& name, const MetricsText::Labels& labels = {}) {
    return system_->ingest().Metrics().Sum(name, labels);
  }
  bool BreakerIs(int state) {
    return Eventually([&] { return Ingest("circuit_breaker_state") == state; });
  }
  std::string Path(const char* name) { return system_->directory() / name; }
  // Fails while the file `broken` exists; otherwise waits for the file `gate`.
  std::string Agent() {
    return system_->ScriptAgent("[ -e " + Path("broken") + " ] && exit 1\nuntil [ -e " +
                                Path("gate") + " ]; do sleep 0.02; done\n");
  }
};

TEST_F(BreakerTest, ThreeFailuresOpenItAndASuccessfulProbeClosesIt) {
  constexpr int kClosed = 0, kOpen = 1, kHalfOpen = 2;
  WriteFile(Path("broken"), "");
  system_->Start({Agent()}, {"--circuit-breaker-cooldown", "2", "--max-agents-per-cluster", "3"});
  EXPECT_EQ(Ingest("circuit_breaker_state"), kClosed);
  EXPECT_EQ(system_->ingest().Health("/readyz").status, 200);
  for (const char* name : {"a", "b", "c"}) system_->AwaitFinished(system_->Submit(name));

  EXPECT_EQ(Ingest("circuit_breaker_state"), kOpen);
  EXPECT_EQ(system_->ingest().Health("/readyz").status, 503);
  EXPECT_THAT(system_->ingest().Health("/readyz").body, HasSubstr("circuit breaker is open"));
  EXPECT_TRUE(system_->ingest().log().Has("Circuit breaker opened",
                                          {{"level", "warn"}, {"failures", 3}, {"cooldown", 2.0}}));
  v1::SubmitEventResponse response;
  ASSERT_TRUE(system_->Admin().Submit(System::Event("d"), &response).ok());
  EXPECT_EQ(response.result(), "dropped");
  EXPECT_EQ(system_->peer().Push({{"faultId", "pushed"}}), 1);
  EXPECT_TRUE(Eventually([this] { return Ingest("circuit_breaker_events_dropped_total") == 2; }));

  // It becomes half-open, and ingest ready, without input.
  EXPECT_TRUE(BreakerIs(kHalfOpen));
  EXPECT_EQ(system_->ingest().Health("/readyz").status, 200);
  system_->AwaitFinished(system_->Submit("e"));
  EXPECT_TRUE(BreakerIs(kOpen)) << "the first probe has failed";
  EXPECT_TRUE(BreakerIs(kHalfOpen));

  std::filesystem::remove(Path("broken"));
  for (const char* name : {"f", "g", "h"}) system_->Submit(name);
  EXPECT_EQ(Ingest("incidents_leased"), 1) << "one probe at a time";
  EXPECT_EQ(Ingest("queue_depth"), 2);
  WriteFile(Path("gate"), "");
  EXPECT_TRUE(BreakerIs(kClosed));
  EXPECT_TRUE(Eventually(
      [this] { return Ingest("incidents_finished_total", {{"status", "success"}}) == 3; }));
  EXPECT_TRUE(system_->ingest().log().Has("Circuit breaker closed"));
  EXPECT_THAT(system_->ingest().log().With("Circuit breaker half-open"), SizeIs(2));
}

}  // namespace
}  // namespace runner
