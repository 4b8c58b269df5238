// The explanations for operators.

#include "ingest/core/decision_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ingest/core/scheduler_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr StreamId kExecutor = 1;

FaultEvent OfPod(const std::string& pod, Severity severity = Severity::kError) {
  FaultEvent event = SchedulerDriver::Fault(severity, "fault-" + pod);
  event.resource.name = pod;
  event.resource.namespace_ = "shop";
  return event;
}

Outcome Ended(RunStatus status, std::string reason = "") {
  Outcome outcome;
  outcome.status = status;
  outcome.reason = std::move(reason);
  outcome.started = true;
  return outcome;
}

// A scheduler whose facts are fed to a DecisionLog, as in IngestLoop.
class DecisionLogTest : public ::testing::Test {
 protected:
  void Use(SchedulerOptions options) {
    driver_.emplace(options);
    ring_.emplace(options, 5);
  }
  // Call after each step of the driver.
  void Feed() {
    for (const Effect& effect : driver_->effects()) {
      if (const Fact* fact = std::get_if<Fact>(&effect)) ring_->OnFact(*fact);
    }
  }
  Scheduler::EventResult Event(FaultEvent event) {
    auto admission = driver_->Event(0, std::move(event));
    Feed();
    return admission;
  }
  // Returns the disposition and explanation of the latest event of a pod.
  std::string Explained(const std::string& pod) const {
    DecisionLog::Query query;
    query.resource.name = pod;
    const auto found = ring_->Newest(query, 1);
    if (found.empty()) return "nothing";
    return std::string(found[0]->disposition) + ": " +
           Explain(*found[0], driver_->scheduler(), driver_->now());
  }
  std::string Id(const std::string& pod) const {
    DecisionLog::Query query;
    query.resource.name = pod;
    return ring_->Newest(query, 1).at(0)->incident_id;
  }
  void Attach() {
    driver_->Attach(kExecutor, "pod-1", 2);
    Feed();
  }
  void Result(const std::string& id, Outcome outcome) {
    driver_->Result(kExecutor, driver_->LeaseOf(id), outcome);
    Feed();
  }

  std::optional<SchedulerDriver> driver_;
  std::optional<DecisionLog> ring_;
};

TEST_F(DecisionLogTest, AFilteredEventNamesTheRule) {
  SchedulerOptions options = OptionsFor(1);
  options.clusters[0].filter.severity_threshold = Severity::kError;
  options.clusters[0].filter.namespaces.deny = {"kube-*"};
  options.clusters[0].filter.kinds.deny = {"Job"};
  options.clusters[0].filter.fault_types.deny = {"Probe*"};
  Use(options);
  Event(OfPod("a", Severity::kInfo));
  EXPECT_EQ(Explained("a"),
            "filtered: Filtered: severity info is below severity_threshold error of cluster c0.");
  FaultEvent event = OfPod("b");
  event.resource.namespace_ = "kube-system";
  Event(event);
  EXPECT_THAT(Explained("b"), HasSubstr("rules of cluster c0 do not allow namespace kube-system."));
  event = OfPod("c");
  event.resource.kind = "Job";
  Event(event);
  EXPECT_THAT(Explained("c"), HasSubstr("do not allow kind Job."));
  event = OfPod("d");
  event.fault_type = "ProbeFailed";
  Event(event);
  EXPECT_THAT(Explained("d"), HasSubstr("do not allow fault type ProbeFailed."));
  FilterRules none;
  none.triage = false;
  ASSERT_TRUE(driver_->SetClusters({{"c0", none}}));
  Event(OfPod("e"));
  EXPECT_THAT(Explained("e"), HasSubstr("cluster c0 has triage: false."));
}

TEST_F(DecisionLogTest, ADuplicateNamesItsIncidentAndTheStateOfThatIncident) {
  SchedulerOptions options = OptionsFor(1);
  options.dedup.window = minutes(5);
  Use(options);
  const std::string id = Event(OfPod("a")).incident_id;
  Event(OfPod("a"));
  EXPECT_EQ(Explained("a"), "filtered: Duplicate: incident " + id +
                                " of the same resource was queued; the event was merged into it.");
  EXPECT_EQ(Id("a"), id);
  Attach();
  Event(OfPod("a"));
  EXPECT_THAT(Explained("a"), HasSubstr(id + " of the same resource was being investigated."));
  Result(id, Ended(RunStatus::kSuccess));
  driver_->Pass(seconds(48));
  Event(OfPod("a"));
  EXPECT_THAT(Explained("a"),
              HasSubstr("had ended as success; its deduplication window stays open for 4m12s."));
}

TEST_F(DecisionLogTest, AnEscalationAndARerunExplainWhyTheWindowDidNotApply) {
  Use(WithDuplicates());
  const std::string id = Event(OfPod("a", Severity::kWarning)).incident_id;
  Attach();
  Result(id, Ended(RunStatus::kSuccess));
  const std::string escalated = Event(OfPod("a", Severity::kCritical)).incident_id;
  EXPECT_EQ(Explained("a"),
            "queued: Escalated: severity critical is above warning, the highest severity "
            "investigated; incident " +
                id +
                " of the same resource had ended. Leased: the agent is about to start on executor "
                "pod-1, attempt 1.");
  Result(escalated, Ended(RunStatus::kFailure, "kubeconfig_missing"));
  EXPECT_THAT(Explained("a"),
              HasSubstr("had ended. Failed: --kubeconfig-dir has no kubeconfig of its "
                        "cluster on executor pod-1, attempt 1."));
  driver_->Draining(kExecutor);
  driver_->Rerun(escalated);
  Feed();
  EXPECT_THAT(Explained("a"),
              StartsWith("queued: Rerun: an operator requested another investigation of incident " +
                         escalated + ". Queued: for 0s"));
}

TEST_F(DecisionLogTest, AQueuedIncidentNamesItsWaitReason) {
  Use(OptionsFor(1));
  Event(OfPod("a"));
  Event(OfPod("b"));
  driver_->Pass(seconds(12));
  EXPECT_EQ(Explained("b"),
            "queued: Queued: for 12s, with 1 of its cluster before it; no executor is attached "
            "that accepts work.");
  Attach();
  EXPECT_EQ(Explained("a"),
            "queued: Leased: the agent is about to start on executor pod-1, attempt 1.");
  driver_->Started(kExecutor, {Id("a"), 1});
  Feed();
  driver_->Pass(seconds(3));
  EXPECT_EQ(Explained("a"), "queued: Running: for 3s on executor pod-1, attempt 1.");
  EXPECT_THAT(Explained("b"), HasSubstr("its cluster has reached --max-agents-per-cluster (1)."));
  driver_->Cancel(Id("a"));
  Feed();
  EXPECT_THAT(Explained("a"), HasSubstr("attempt 1; an operator has cancelled it."));
}

TEST_F(DecisionLogTest, AFinishedIncidentNamesItsResult) {
  SchedulerOptions options = OptionsFor(1);
  options.max_agents_per_cluster = 5;
  options.max_attempts = 1;
  Use(options);
  driver_->Attach(kExecutor, "pod-1", 5);
  Event(OfPod("good"));
  Event(OfPod("bad"));
  Event(OfPod("lost"));
  Result(Id("good"), Ended(RunStatus::kSuccess));
  Result(Id("bad"), Ended(RunStatus::kFailure, "report_missing"));
  Result(Id("lost"), Ended(RunStatus::kInterrupted, std::string(kExecutorLost)));
  EXPECT_EQ(Explained("good"), "finished: Investigated: success on executor pod-1, attempt 1.");
  EXPECT_EQ(Explained("bad"),
            "finished: Investigated: failure (report_missing) on executor pod-1, attempt 1.");
  Event(OfPod("late"));
  Result(Id("late"), Ended(RunStatus::kTimeout, "timeout"));
  EXPECT_EQ(Explained("late"), "finished: Investigated: timeout on executor pod-1, attempt 1.");
  Event(OfPod("wrong"));
  Result(Id("wrong"), Ended(RunStatus::kFailure, "spawn_error"));
  EXPECT_EQ(Explained("wrong"),
            "finished: Failed: the agent could not be started on executor pod-1, attempt 1.");
  EXPECT_THAT(Explained("lost"),
              HasSubstr("Failed: its attempts are exhausted; the last run was lost or "
                        "interrupted on executor pod-1, attempt 1."));
}

TEST_F(DecisionLogTest, AnIncidentThatNeverRanNamesTheCause) {
  SchedulerOptions options = OptionsFor(1);
  options.cluster_queue_size = 2;
  options.max_queue_age = seconds(90);
  Use(options);
  Event(OfPod("old"));
  Event(OfPod("unwanted"));
  driver_->Cancel(Id("unwanted"));
  Feed();
  driver_->Pass(seconds(1));
  Event(OfPod("urgent", Severity::kCritical));
  Event(OfPod("more urgent", Severity::kCritical));
  EXPECT_THAT(Explained("old"),
              HasSubstr("finished: Evicted: the queue was full; this was the oldest "
                        "incident of the lowest priority."));
  EXPECT_EQ(Explained("unwanted"),
            "finished: Cancelled: an operator cancelled it before a run started.");
  Event(OfPod("late"));
  EXPECT_EQ(Explained("late"),
            "rejected: Rejected: the queue was full (2 incidents of cluster c0, 2 of all "
            "clusters); no queued incident had a lower priority.");
  driver_->Pass(seconds(100));
  driver_->Timer();
  Feed();
  EXPECT_EQ(Explained("urgent"), "finished: Expired: queued for 1m40s; --max-queue-age is 1m30s.");
}

TEST_F(DecisionLogTest, ARejectionByTheGlobalLimitNamesBothCounts) {
  SchedulerOptions options = OptionsFor(2);
  options.global_queue_size = 2;
  Use(options);
  for (const char* pod : {"x", "y"}) {
    driver_->Event(1, OfPod(pod, Severity::kCritical));
    Feed();
  }
  Event(OfPod("late"));
  EXPECT_THAT(Explained("late"),
              HasSubstr("(0 incidents of cluster c0, 2 of all clusters); no queued incident"));
}

TEST_F(DecisionLogTest, ACancelledIncidentWithoutARunIsExplainedAsSuch) {
  Use(OptionsFor(1));
  Attach();
  Event(OfPod("again"));
  driver_->Draining(kExecutor);
  Result(Id("again"), Ended(RunStatus::kInterrupted, "shutdown"));
  driver_->Cancel(Id("again"));
  Feed();
  EXPECT_THAT(Explained("again"), HasSubstr("before a run started."));

  Use(OptionsFor(1));
  Attach();
  Event(OfPod("never taken"));
  driver_->Cancel(Id("never taken"));
  Feed();
  EXPECT_THAT(Explained("never taken"), HasSubstr("Leased: the agent is about to start"));
  driver_->PassWithTimers(seconds(30));
  Feed();
  EXPECT_THAT(Explained("never taken"), HasSubstr("before a run started."));
}

TEST_F(DecisionLogTest, TheAgeOfARequeuedIncidentIncludesEarlierWaiting) {
  Use(OptionsFor(1));
  Event(OfPod("a"));
  driver_->Pass(minutes(9));
  Attach();
  driver_->Draining(kExecutor);
  Result(Id("a"), Ended(RunStatus::kInterrupted, "shutdown"));
  driver_->Pass(seconds(2));
  EXPECT_THAT(Explained("a"), HasSubstr("Queued: for 9m2s, with 0"));
}

TEST_F(DecisionLogTest, AnEventDroppedByTheBreakerIsExplained) {
  SchedulerOptions options = OptionsFor(1);
  options.breaker.threshold = 1;
  Use(options);
  Attach();
  Event(OfPod("fails"));
  Result(Id("fails"), Ended(RunStatus::kTimeout, "timeout"));
  Event(OfPod("next"));
  EXPECT_THAT(Explained("next"), HasSubstr("dropped: Dropped: the circuit breaker was open"));
}

TEST_F(DecisionLogTest, FindsDecisionsByEveryField) {
  Use(OptionsFor(2));
  const std::string first = Event(OfPod("a")).incident_id;
  driver_->Event(1, OfPod("a"));
  Feed();
  Event(OfPod("b"));
  const auto find = [&](const DecisionLog::Query& query) { return ring_->Newest(query, 10); };
  EXPECT_THAT(find({}), SizeIs(3));
  EXPECT_EQ(find({})[0]->resource.name, "b") << "newest first";
  EXPECT_THAT(find({.cluster = "c1"}), SizeIs(1));
  EXPECT_THAT(find({.event_id = "fault-a"}), SizeIs(2));
  ASSERT_THAT(find({.incident_id = first}), SizeIs(1));
  EXPECT_EQ(find({.incident_id = first})[0]->cluster, "c0");
  EXPECT_THAT(find({.resource = {"", "Pod", "a", "shop", ""}}), SizeIs(2));
  EXPECT_THAT(find({.resource = {"", "Pod", "a", "elsewhere", ""}}), IsEmpty());
  EXPECT_THAT(ring_->Newest({}, 2), SizeIs(2));
}

TEST_F(DecisionLogTest, DropsTheOldestDecisionsAndTheirUpdates) {
  Use(OptionsFor(1));
  Event(OfPod("a"));
  const std::string id = Id("a");
  for (const char* pod : {"b", "c", "d", "e"}) Event(OfPod(pod));
  EXPECT_THAT(Explained("a"), HasSubstr("queued"));
  Event(OfPod("f"));
  EXPECT_EQ(ring_->size(), 5u);
  EXPECT_EQ(ring_->incidents(), 5u);
  EXPECT_EQ(Explained("a"), "nothing");
  driver_->Cancel(id);
  Feed();  // must not change another decision
  EXPECT_THAT(Explained("b"), HasSubstr("queued: Queued"));
  driver_->Cancel(Id("c"));
  Feed();
  EXPECT_THAT(Explained("c"), HasSubstr("finished: Cancelled"));
}

}  // namespace
}  // namespace runner::ingest
