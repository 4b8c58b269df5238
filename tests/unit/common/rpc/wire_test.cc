#include "common/rpc/wire.h"

#include <limits>

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <gtest/gtest.h>

#include "runner/v1/dispatch.pb.h"
#include "runner/v1/incident.pb.h"

namespace runner {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Incident MakeIncident() {
  Incident incident;
  incident.id = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
  incident.event.cluster = "prod";
  incident.event.fault_id = "f-1";
  incident.event.fault_type = "CrashLoop";
  incident.event.severity = Severity::kCritical;
  incident.event.resource = {"v1", "Pod", "web-0", "default", "u-1"};
  incident.event.context = "back-off";
  incident.event.timestamp = WallTime(milliseconds(1735689600042));
  incident.event.received_at = WallTime(milliseconds(-1500));
  incident.occurrences = 3;
  incident.rerun_of = "017f22e2-79b0-7cc3-98c4-dc0c0c073980";
  return incident;
}

TEST(WireTest, IncidentsSurviveTheRoundTrip) {
  const Incident incident = MakeIncident();
  const auto back = FromProto(ToProto(incident));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->id, incident.id);
  EXPECT_EQ(back->event.cluster, "prod");
  EXPECT_EQ(back->event.fault_id, "f-1");
  EXPECT_EQ(back->event.fault_type, "CrashLoop");
  EXPECT_EQ(back->event.severity, Severity::kCritical);
  EXPECT_EQ(back->event.resource, incident.event.resource);
  EXPECT_EQ(back->event.context, "back-off");
  EXPECT_EQ(back->event.timestamp, incident.event.timestamp);
  EXPECT_EQ(back->event.received_at, incident.event.received_at);
  EXPECT_EQ(back->occurrences, 3u);
  EXPECT_EQ(back->rerun_of, incident.rerun_of);
}

TEST(WireTest, OutcomesSurviveTheRoundTrip) {
  Outcome outcome;
  outcome.status = RunStatus::kTimeout;
  outcome.reason = "deadline";
  outcome.signal = 9;
  outcome.orphans_killed = 2;
  outcome.contained = true;
  outcome.started_at = WallTime(seconds(100));
  outcome.finished_at = WallTime(seconds(400));
  outcome.duration = milliseconds(300'250);
  outcome.report = "report";
  outcome.report_partial = true;
  outcome.report_truncated = true;
  outcome.report_bytes = 5'000'000'000;
  outcome.last_output = "no such Pod";
  outcome.workspace = "/incidents/x";
  outcome.started = true;
  const auto back = FromProto(ToProto(outcome));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->status, RunStatus::kTimeout);
  EXPECT_EQ(back->reason, "deadline");
  EXPECT_EQ(back->exit_code, std::nullopt);
  EXPECT_EQ(back->signal, 9);
  EXPECT_EQ(back->orphans_killed, 2u);
  EXPECT_TRUE(back->contained);
  EXPECT_EQ(back->started_at, outcome.started_at);
  EXPECT_EQ(back->finished_at, outcome.finished_at);
  EXPECT_EQ(back->duration, outcome.duration);
  EXPECT_EQ(back->report, "report");
  EXPECT_TRUE(back->report_partial);
  EXPECT_TRUE(back->report_truncated);
  EXPECT_EQ(back->report_bytes, outcome.report_bytes);
  EXPECT_EQ(back->last_output, "no such Pod");
  EXPECT_EQ(back->workspace, "/incidents/x");
  EXPECT_TRUE(back->started);
}

TEST(WireTest, TheLastOutputOfAPeerIsBounded) {
  v1::Outcome outcome = ToProto(Outcome());
  outcome.set_last_output(std::string(1'000'000, 'x'));
  EXPECT_EQ(FromProto(outcome)->last_output.size(), kMaxLastOutput);
}

TEST(WireTest, ExitCodeZeroDiffersFromNone) {
  Outcome outcome;
  outcome.exit_code = 0;
  EXPECT_EQ(FromProto(ToProto(outcome))->exit_code, 0);
}

TEST(WireTest, LeasesSurviveTheRoundTripAndNeedAnId) {
  const Lease lease{"i-1", 7};
  EXPECT_EQ(FromProto(ToProto(lease)), lease);
  EXPECT_FALSE(FromProto(v1::Lease()));
}

TEST(WireTest, RejectsUnknownWordsAndMissingIds) {
  v1::Incident incident = ToProto(MakeIncident());
  incident.set_severity("loud");
  EXPECT_FALSE(FromProto(incident));
  incident = ToProto(MakeIncident());
  incident.clear_incident_id();
  EXPECT_FALSE(FromProto(incident));
  v1::Outcome outcome = ToProto(Outcome());
  outcome.set_status("great");
  EXPECT_FALSE(FromProto(outcome));
}

TEST(WireTest, RejectsInvalidTimes) {
  google::protobuf::Timestamp time;
  time.set_nanos(1'000'000'000);
  EXPECT_FALSE(FromProto(time));
  time.set_nanos(0);
  time.set_seconds(std::numeric_limits<std::int64_t>::max());
  EXPECT_FALSE(FromProto(time));
  google::protobuf::Duration duration;
  duration.set_seconds(1);
  duration.set_nanos(-1);
  EXPECT_FALSE(FromProto(duration));
}

TEST(WireTest, StringsAreValidUtf8OnTheWire) {
  Incident incident = MakeIncident();
  incident.event.context = "a\xFF";
  const v1::Incident message = ToProto(incident);
  EXPECT_EQ(message.context(), "a\xEF\xBF\xBD");
  std::string bytes;
  EXPECT_TRUE(message.SerializeToString(&bytes));
}

}  // namespace
}  // namespace runner
