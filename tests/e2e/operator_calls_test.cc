// Calls of operators while faults arrive: ExplainEvent, CancelIncident, ResetCircuitBreaker.

#include <chrono>
#include <string>

#include <gmock/gmock.h>

#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

// Agents run until the file `go` exists; those of pods named bad* fail at once.
class OperatorCallsTest : public SystemTest {
 protected:
  void Start(const Words& ingest_flags, const Words& executor_flags = {}) {
    system_->StartWithoutPeer(
        {system_->ScriptAgent("case $RUNNER_RESOURCE_NAME in bad*) exit 3;; esac\nuntil [ -e " +
                              Gate().string() + " ]; do sleep 0.02; done\n")},
        ingest_flags, executor_flags);
  }
  std::filesystem::path Gate() const { return system_->directory() / "go"; }
  v1::SubmitEventResponse Send(const std::string& pod, const std::string& severity = "error") {
    v1::SubmitEventResponse response;
    EXPECT_TRUE(system_->Admin().Submit(System::Event(pod, severity), &response).ok());
    return response;
  }
  // Returns the decision and explanation of the latest event of this pod.
  std::string Why(const std::string& pod) {
    const auto explanations = system_->Admin().Explain(pod);
    if (explanations.empty()) return "nothing";
    return explanations[0].decision() + ": " + explanations[0].explanation();
  }
  double Ingest(const std::string& name, const MetricsText::Labels& labels = {}) {
    return system_->ingest().Metrics().Sum(name, labels);
  }
};

TEST_F(OperatorCallsTest, ExplainsEveryDispositionInASentence) {
  Start({"--cluster-queue-size", "2", "--circuit-breaker-threshold", "1",
         "--circuit-breaker-cooldown", "1h"});
  EXPECT_EQ(Why("any"), "nothing");
  EXPECT_THAT(system_->Admin().Explain(""), IsEmpty()) << "no event yet";
  const std::string runs = system_->Submit("runs");
  system_->AwaitAgentStarted(runs);
  EXPECT_THAT(Why("runs"), StartsWith("queued: Running: for "));
  EXPECT_THAT(Why("runs"), HasSubstr(" on executor executor, attempt 1."));

  Send("mild", "info");
  EXPECT_EQ(
      Why("mild"),
      "filtered: Filtered: severity info is below severity_threshold warning of cluster prod.");
  EXPECT_EQ(Send("runs").incident_id(), runs);
  EXPECT_EQ(Why("runs"), "filtered: Duplicate: incident " + runs +
                             " of the same resource was being investigated.");
  EXPECT_EQ(system_->Admin().Explain("runs")[0].incident_id(), runs);

  Send("first", "critical");
  EXPECT_THAT(Why("first"), HasSubstr("queued: Queued: for "));
  EXPECT_THAT(Why("first"), HasSubstr("with 0 of its cluster before it; its cluster has reached "
                                      "--max-agents-per-cluster (1)."));
  Send("pushed-out");
  Send("second", "critical");
  EXPECT_THAT(Why("pushed-out"), StartsWith("finished: Evicted: the queue was full"));
  Send("no-room");
  EXPECT_THAT(Why("no-room"), StartsWith("rejected: Rejected: the queue was full (2 incidents"));

  WriteFile(Gate(), "");
  system_->AwaitFinished(runs);
  EXPECT_EQ(system_->Admin().Explain("runs")[1].explanation(),
            "Investigated: success on executor executor, attempt 1.");
  Send("runs");
  EXPECT_THAT(Why("runs"),
              HasSubstr("had ended as success; its deduplication window stays open for "));

  system_->AwaitFinished(system_->Submit("bad"));
  EXPECT_EQ(Why("bad"),
            "finished: Investigated: failure (exit code 3) on executor executor, attempt 1.");
  Send("next");
  EXPECT_THAT(Why("next"), StartsWith("dropped: Dropped: the circuit breaker was open"));
  EXPECT_EQ(system_->Admin().Status().circuit_breaker(), "open");
}

TEST_F(OperatorCallsTest, ExplainsAnExpiredIncident) {
  Start({"--max-queue-age", "1s", "--queue-sweep-interval", "500ms"});
  system_->AwaitAgentStarted(system_->Submit("runs"));
  Send("waits");
  ASSERT_TRUE(Eventually([this] { return Ingest("events_expired_total") == 1; }));
  EXPECT_THAT(Why("waits"), StartsWith("finished: Expired: queued for "));
  EXPECT_THAT(Why("waits"), HasSubstr("; --max-queue-age is 1s."));
  WriteFile(Gate(), "");
}

TEST_F(OperatorCallsTest, CancelStopsARunOrPreventsItsStart) {
  Start({});
  const std::string runs = system_->Submit("runs");
  system_->AwaitAgentStarted(runs);
  const std::string waits = system_->Submit("waits");
  EXPECT_EQ(system_->Admin().Cancel(waits), "cancelled");
  EXPECT_EQ(system_->Admin().Cancel(waits),
            "the incident has already finished; expected an open one");
  EXPECT_EQ(system_->Admin().Cancel("nobody"),
            "unknown incident; expected an open or recently finished one");
  EXPECT_EQ(system_->Admin().Cancel(runs), "stopping");

  const auto stopped = system_->AwaitFinished(runs);
  EXPECT_EQ(stopped.status(), "cancelled");
  EXPECT_TRUE(stopped.outcome().contained());
  EXPECT_THAT(system_->Agents(), IsEmpty());
  EXPECT_EQ(system_->AwaitFinished(waits).status(), "cancelled");
  EXPECT_EQ(Ingest("events_evicted_total", {{"reason", "cancelled"}}), 1);
  EXPECT_EQ(Ingest("incidents_finished_total", {{"status", "cancelled"}}), 2);
  EXPECT_EQ(Ingest("circuit_breaker_state"), 0) << "a cancel is not a failure";
  EXPECT_THAT(system_->ingest().log().With("Incident cancelled by an operator"), SizeIs(2));
  EXPECT_THAT(Why("waits"),
              StartsWith("finished: Cancelled: an operator cancelled it before a run started"));
  EXPECT_THAT(Why("runs"),
              StartsWith("finished: Cancelled: an operator stopped its run on executor "));
}

TEST_F(OperatorCallsTest, CancelStopsARunThatIgnoresSigterm) {
  system_->StartWithoutPeer({system_->ScriptAgent("trap '' TERM\nwhile :; do sleep 0.1; done\n")},
                            {}, {"--agent-kill-grace", "300ms"});
  const std::string id = system_->Submit("stubborn");
  system_->AwaitAgentStarted(id);
  EXPECT_EQ(system_->Admin().Cancel(id), "stopping");
  EXPECT_EQ(system_->Admin().Cancel(id), "stopping") << "a repeated cancel has the same result";
  EXPECT_EQ(system_->AwaitFinished(id).status(), "cancelled");
  EXPECT_THAT(system_->Agents(), IsEmpty());
}

TEST_F(OperatorCallsTest, ResetClosesTheBreaker) {
  Start({"--circuit-breaker-threshold", "1", "--circuit-breaker-cooldown", "1h",
         "--circuit-breaker-policy", "hold"});
  system_->AwaitFinished(system_->Submit("bad"));
  EXPECT_EQ(Ingest("circuit_breaker_state"), 1);
  const std::string held = system_->Submit("held");
  EXPECT_THAT(Why("held"), HasSubstr("; the circuit breaker is open."));
  WriteFile(Gate(), "");
  EXPECT_EQ(system_->Admin().ResetBreaker(), "open");
  EXPECT_EQ(system_->AwaitFinished(held).status(), "success");
  EXPECT_EQ(system_->Admin().ResetBreaker(), "closed");
  EXPECT_THAT(system_->ingest().log().With("Circuit breaker closed"), SizeIs(1));
  EXPECT_THAT(system_->ingest().log().With("Circuit breaker reset by an operator"), SizeIs(2));
}

TEST_F(OperatorCallsTest, RerunInvestigatesAFinishedIncidentAgain) {
  Start({"--circuit-breaker-threshold", "1", "--circuit-breaker-cooldown", "1h",
         "--cluster-queue-size", "2", "--queue-overflow-policy", "reject-newest"});
  const auto rerun = [this](const std::string& id, grpc::StatusCode code, std::string* again) {
    const grpc::Status status = system_->Admin().Rerun(id, again);
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    return status.error_message();
  };
  std::string again;
  std::string none;
  rerun("nobody", grpc::StatusCode::NOT_FOUND, &none);
  const std::string bad = system_->Submit("bad");
  system_->AwaitFinished(bad);
  EXPECT_EQ(system_->Admin().Status().circuit_breaker(), "open");
  rerun(bad, grpc::StatusCode::OK, &again);
  EXPECT_EQ(rerun(bad, grpc::StatusCode::FAILED_PRECONDITION, &none),
            "incident " + again +
                " of the same resource is queued or running; cancel it, or retry after it ends");
  EXPECT_EQ(rerun(again, grpc::StatusCode::FAILED_PRECONDITION, &none),
            "the incident is queued; expected a finished one");
  EXPECT_THAT(Why("bad"),
              StartsWith("queued: Rerun: an operator requested another investigation of "
                         "incident " +
                         bad + ". Queued: for"));
  EXPECT_EQ(Send("bad").incident_id(), again) << "an event of its key joins it";
  EXPECT_THAT(system_->ingest().log().With("Incident rerun by an operator",
                                           {{"incident_id", again}, {"rerun_of", bad}}),
              SizeIs(1));

  system_->Admin().ResetBreaker();
  const auto finished = system_->AwaitFinished(again);
  EXPECT_EQ(finished.incident().rerun_of(), bad);
  EXPECT_EQ(finished.incident().resource().name(), "bad");
  EXPECT_THAT(ReadFile(system_->Workspace(again) / "incident.json"),
              HasSubstr("\"rerunOf\": \"" + bad + "\""));
  EXPECT_EQ(system_->Admin().List().front().incident().rerun_of(), bad);
  EXPECT_EQ(Ingest("events_received_total"), 3);
  EXPECT_EQ(Ingest("events_queued_total"), 2);
}

TEST_F(OperatorCallsTest, AFullQueueRejectsARerun) {
  Start({"--cluster-queue-size", "1", "--queue-overflow-policy", "reject-newest",
         "--circuit-breaker-threshold", "0"});
  const std::string bad = system_->Submit("bad");
  system_->AwaitFinished(bad);
  system_->AwaitAgentStarted(system_->Submit("runs"));
  system_->Submit("waits");
  std::string none;
  EXPECT_EQ(system_->Admin().Rerun(bad, &none).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Ingest("events_rejected_total"), 1);
  WriteFile(Gate(), "");
  system_->AwaitFinished(3);
}

TEST_F(OperatorCallsTest, AMoreSevereEventIsANewIncident) {
  Start({"--circuit-breaker-threshold", "0"});
  const std::string warning = Send("bad", "warning").incident_id();
  system_->AwaitFinished(warning);
  EXPECT_EQ(Send("bad", "warning").incident_id(), warning);
  const auto critical = Send("bad", "critical");
  EXPECT_EQ(critical.result(), "queued");
  system_->AwaitFinished(critical.incident_id());
  EXPECT_THAT(Why("bad"), StartsWith("finished: Escalated: severity critical is above warning"));
  EXPECT_EQ(Send("bad", "critical").incident_id(), critical.incident_id());
}

TEST_F(OperatorCallsTest, NamespaceRulesDoNotApplyToObjectsWithoutOne) {
  system_->StartIngestWith(
      "clusters:\n- name: prod\n  endpoint: http://127.0.0.1:9/mcp\n  namespaces: {allow: "
      "[\"shop\"], deny: [\"*\"]}\n");
  for (const char* kind : {"Node", "NodeClaim", "ClusterIssuer", "VolumeSnapshotContent",
                           "ClusterPolicy", "APIService"}) {
    v1::SubmitEventRequest event = System::Event("bad-" + std::string(kind));
    event.mutable_resource()->set_kind(kind);
    event.mutable_resource()->clear_namespace_();
    v1::SubmitEventResponse response;
    ASSERT_TRUE(system_->Admin().Submit(event, &response).ok());
    EXPECT_NE(response.reason(), "namespace") << kind;
  }
  EXPECT_EQ(Send("bad").reason(), "namespace") << "shop is denied";
}

TEST_F(OperatorCallsTest, GetStatusDescribesTheExecutor) {
  Start({}, {"--slots", "3"});
  system_->AwaitFinished(system_->Submit("bad"));
  const std::string id = system_->Submit("runs");
  system_->AwaitAgentStarted(id);
  auto status = ExecutorClient(system_->executor().grpc()).Status();
  EXPECT_EQ(status.executor_id(), "executor");
  EXPECT_EQ(status.ingest_address(), system_->ingest_address());
  EXPECT_TRUE(status.attached());
  EXPECT_TRUE(status.sidecar());
  EXPECT_FALSE(status.draining());
  EXPECT_FALSE(status.tainted());
  EXPECT_EQ(status.slots(), 3u);
  EXPECT_EQ(status.busy(), 1u);
  EXPECT_EQ(status.runs_completed().at("failure"), 1u);
  EXPECT_GT(status.uptime().nanos() + status.uptime().seconds(), 0);

  system_->ingest().process().Kill();
  WriteFile(Gate(), "");
  ASSERT_TRUE(Eventually([&] {
    status = ExecutorClient(system_->executor().grpc()).Status();
    return status.results_waiting() == 1;
  })) << "a result waits for ingest";
  EXPECT_FALSE(status.attached());
  system_->StartIngest();
  system_->AwaitAttached();
  ASSERT_TRUE(Eventually(
      [&] { return ExecutorClient(system_->executor().grpc()).Status().results_waiting() == 0; }));
}

}  // namespace
}  // namespace runner
