#include "common/rpc/wire.h"

#include <cstdint>
#include <string>

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include "common/base/utf8.h"
#include "common/rpc/wire_check.h"
#include "runner/v1/dispatch.pb.h"
#include "runner/v1/incident.pb.h"

namespace runner {
namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

// Empty if the sum does not fit into 64 bits of nanoseconds.
std::optional<Duration> Join(std::int64_t seconds, std::int32_t nanos) {
  std::int64_t total = 0;
  if (__builtin_mul_overflow(seconds, kNanosPerSecond, &total)) return std::nullopt;
  if (__builtin_add_overflow(total, std::int64_t{nanos}, &total)) return std::nullopt;
  return Duration(total);
}

}  // namespace

v1::Resource ToProto(const Resource& resource) {
  v1::Resource out;
  out.set_api_version(SanitizeUtf8(resource.api_version));
  out.set_kind(SanitizeUtf8(resource.kind));
  out.set_name(SanitizeUtf8(resource.name));
  out.set_namespace_(SanitizeUtf8(resource.namespace_));
  out.set_uid(SanitizeUtf8(resource.uid));
  return out;
}

v1::Incident ToProto(const Incident& incident) {
  const FaultEvent& event = incident.event;
  v1::Incident out;
  out.set_incident_id(SanitizeUtf8(incident.id));
  out.set_cluster(SanitizeUtf8(event.cluster));
  out.set_fault_id(SanitizeUtf8(event.fault_id));
  out.set_fault_type(SanitizeUtf8(event.fault_type));
  out.set_severity(std::string(ToString(event.severity)));
  *out.mutable_resource() = ToProto(event.resource);
  out.set_context(SanitizeUtf8(event.context));
  *out.mutable_timestamp() = ToProto(event.timestamp);
  *out.mutable_received_at() = ToProto(event.received_at);
  out.set_occurrences(incident.occurrences);
  *out.mutable_last_seen_at() = ToProto(incident.last_seen);
  out.set_rerun_of(SanitizeUtf8(incident.rerun_of));
  return out;
}

v1::Lease ToProto(const Lease& lease) {
  v1::Lease out;
  out.set_incident_id(SanitizeUtf8(lease.incident_id));
  out.set_attempt(lease.attempt);
  return out;
}

v1::Outcome ToProto(const Outcome& outcome) {
  v1::Outcome out;
  out.set_status(std::string(ToString(outcome.status)));
  out.set_reason(SanitizeUtf8(outcome.reason));
  if (outcome.exit_code) out.set_exit_code(*outcome.exit_code);
  if (outcome.signal) out.set_signal(*outcome.signal);
  out.set_orphans_killed(outcome.orphans_killed);
  out.set_contained(outcome.contained);
  *out.mutable_started_at() = ToProto(outcome.started_at);
  *out.mutable_finished_at() = ToProto(outcome.finished_at);
  *out.mutable_duration() = ToProto(outcome.duration);
  out.set_report(SanitizeUtf8(outcome.report));
  out.set_report_partial(outcome.report_partial);
  out.set_workspace(TruncateUtf8(SanitizeUtf8(outcome.workspace), kMaxWorkspacePath));
  out.set_started(outcome.started);
  out.set_report_truncated(outcome.report_truncated);
  out.set_report_bytes(outcome.report_bytes);
  out.set_last_output(SanitizeUtf8(outcome.last_output));
  return out;
}

google::protobuf::Timestamp ToProto(WallTime time) {
  // Nanoseconds count forward from the second, also before the epoch (timestamp.proto).
  const auto since_epoch = std::chrono::duration_cast<Duration>(time.time_since_epoch());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  google::protobuf::Timestamp out;
  out.set_seconds(seconds.count());
  out.set_nanos(static_cast<std::int32_t>((since_epoch - seconds).count()));
  return out;
}

google::protobuf::Duration ToProto(Duration duration) {
  // Both parts have the same sign (duration.proto).
  google::protobuf::Duration out;
  out.set_seconds(duration.count() / kNanosPerSecond);
  out.set_nanos(static_cast<std::int32_t>(duration.count() % kNanosPerSecond));
  return out;
}

Resource FromProto(const v1::Resource& resource) {
  return {resource.api_version(), resource.kind(), resource.name(), resource.namespace_(),
          resource.uid()};
}

std::optional<Incident> FromProto(const v1::Incident& incident) {
  const auto severity = ParseSeverity(incident.severity());
  const auto timestamp = FromProto(incident.timestamp());
  const auto received_at = FromProto(incident.received_at());
  if (incident.incident_id().empty() || !severity || !timestamp || !received_at) {
    return std::nullopt;
  }
  Incident out;
  out.id = incident.incident_id();
  out.event.cluster = incident.cluster();
  out.event.fault_id = incident.fault_id();
  out.event.fault_type = incident.fault_type();
  out.event.severity = *severity;
  out.event.resource = FromProto(incident.resource());
  out.event.context = incident.context();
  out.event.timestamp = *timestamp;
  out.event.received_at = *received_at;
  out.occurrences = incident.occurrences();
  out.last_seen = FromProto(incident.last_seen_at()).value_or(out.event.received_at);
  out.rerun_of = incident.rerun_of();
  return out;
}

std::optional<Lease> FromProto(const v1::Lease& lease) {
  if (lease.incident_id().empty()) return std::nullopt;
  return Lease{lease.incident_id(), lease.attempt()};
}

std::optional<Outcome> FromProto(const v1::Outcome& outcome) {
  const auto status = ParseRunStatus(outcome.status());
  const auto started_at = FromProto(outcome.started_at());
  const auto finished_at = FromProto(outcome.finished_at());
  const auto duration = FromProto(outcome.duration());
  if (!status || !started_at || !finished_at || !duration) return std::nullopt;
  Outcome out;
  out.status = *status;
  out.reason = outcome.reason();
  if (outcome.has_exit_code()) out.exit_code = outcome.exit_code();
  if (outcome.has_signal()) out.signal = outcome.signal();
  out.orphans_killed = outcome.orphans_killed();
  out.contained = outcome.contained();
  out.started_at = *started_at;
  out.finished_at = *finished_at;
  out.duration = *duration;
  out.report = outcome.report();
  out.report_partial = outcome.report_partial();
  out.workspace = outcome.workspace();
  out.started = outcome.started();
  out.report_truncated = outcome.report_truncated();
  out.report_bytes = outcome.report_bytes();
  out.last_output = TruncateUtf8(outcome.last_output(), kMaxLastOutput);
  return out;
}

std::optional<WallTime> FromProto(const google::protobuf::Timestamp& time) {
  if (time.nanos() < 0 || time.nanos() >= kNanosPerSecond) return std::nullopt;
  const auto since_epoch = Join(time.seconds(), time.nanos());
  if (!since_epoch) return std::nullopt;
  return WallTime(std::chrono::duration_cast<WallTime::duration>(*since_epoch));
}

std::optional<Duration> FromProto(const google::protobuf::Duration& duration) {
  const std::int32_t nanos = duration.nanos();
  if (nanos <= -kNanosPerSecond || nanos >= kNanosPerSecond) return std::nullopt;
  const bool signs_differ =
      (duration.seconds() > 0 && nanos < 0) || (duration.seconds() < 0 && nanos > 0);
  if (signs_differ) return std::nullopt;
  return Join(duration.seconds(), nanos);
}

}  // namespace runner
