#include "common/rpc/wire_check.h"

#include <algorithm>
#include <cstdio>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/uuid.h"
#include "common/domain/incident.h"
#include "common/domain/text_limits.h"
#include "common/rpc/wire.h"
#include "runner/v1/dispatch.pb.h"
#include "runner/v1/incident.pb.h"

namespace runner {
namespace {

using Leases = google::protobuf::RepeatedPtrField<v1::Lease>;

bool IsLowerCaseUuid(std::string_view text) {
  return IsUuid(text) &&
         std::none_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'F'; });
}

std::string InSeconds(Duration duration) {
  char text[32];
  std::snprintf(text, sizeof text, "%g s", ToSeconds(duration));
  return text;
}

// Checks the fields in order and keeps the first problem. The text omits the value, which may be
// long.
class Checker {
 public:
  explicit Checker(std::string message) : message_(std::move(message)) {}

  Checker& Text(std::string_view field, std::string_view value, std::size_t max,
                std::size_t min = 0) {
    if (value.size() < min || value.size() > max) {
      Fail(field, std::to_string(value.size()) + " bytes",
           std::to_string(min) + " to " + std::to_string(max));
    }
    return *this;
  }
  Checker& Number(std::string_view field, std::uint64_t value, std::uint64_t min,
                  std::uint64_t max) {
    if (value < min || value > max) {
      Fail(field, std::to_string(value), std::to_string(min) + " to " + std::to_string(max));
    }
    return *this;
  }
  Checker& Id(std::string_view field, std::string_view value) {
    if (!IsLowerCaseUuid(value)) {
      Fail(field, std::to_string(value.size()) + " bytes that are not an id", "a lower-case UUID");
    }
    return *this;
  }
  Checker& Lease(std::string_view field, const v1::Lease& lease) {
    return Id(std::string(field) + ".incident_id", lease.incident_id());
  }
  Checker& List(std::string_view field, int size, std::size_t max) {
    if (static_cast<std::size_t>(size) > max) {
      Fail(field, std::to_string(size) + " entries", "at most " + std::to_string(max));
    }
    return *this;
  }
  Checker& LeaseList(std::string_view field, const Leases& leases) {
    List(field, leases.size(), kMaxLeasesListed);
    for (const v1::Lease& lease : leases) {
      if (problem_) break;
      Lease(field, lease);
    }
    return *this;
  }
  Checker& Time(std::string_view field, const google::protobuf::Timestamp& time) {
    if (!FromProto(time)) Fail(field, "invalid time", "a google.protobuf.Timestamp");
    return *this;
  }
  Checker& Span(std::string_view field, const google::protobuf::Duration& span, Duration min,
                Duration max) {
    const auto value = FromProto(span);
    if (!value || *value < min || *value > max) {
      Fail(field, value ? InSeconds(*value) : "invalid duration",
           InSeconds(min) + " to " + InSeconds(max));
    }
    return *this;
  }
  Checker& That(std::string_view field, bool holds, std::string_view wrong,
                std::string_view expected) {
    if (!holds) Fail(field, wrong, expected);
    return *this;
  }

  const std::optional<std::string>& problem() const { return problem_; }

 private:
  void Fail(std::string_view field, std::string_view wrong, std::string_view expected) {
    if (problem_) return;
    problem_ = message_;
    for (const std::string_view part : {std::string_view("."), field, std::string_view(": "), wrong,
                                        std::string_view("; expected "), expected}) {
      *problem_ += part;
    }
  }

  const std::string message_;
  std::optional<std::string> problem_;
};

std::optional<std::string> Check(const v1::Hello& hello) {
  return Checker("hello")
      .Text("executor_id", hello.executor_id(), kMaxExecutorId, 1)
      .Text("boot_id", hello.boot_id(), kMaxBootId)
      .Text("version", hello.version(), kMaxVersion)
      .Number("slots", hello.slots(), 1, kMaxSlots)
      .Span("stop_budget", hello.stop_budget(), Duration::zero(), std::chrono::hours(24))
      .LeaseList("running", hello.running())
      .LeaseList("results_waiting", hello.results_waiting())
      .problem();
}

std::optional<std::string> Check(const v1::Result& result) {
  const v1::Outcome& outcome = result.outcome();
  return Checker("result")
      .Lease("lease", result.lease())
      .That("outcome.status", ParseRunStatus(outcome.status()).has_value(), "unknown",
            "success, failure, timeout, interrupted or cancelled")
      .Text("outcome.reason", outcome.reason(), kMaxReason)
      .Time("outcome.started_at", outcome.started_at())
      .Time("outcome.finished_at", outcome.finished_at())
      .Span("outcome.duration", outcome.duration(), Duration::zero(), Duration::max())
      .Text("outcome.report", outcome.report(), kMaxReport)
      .Text("outcome.workspace", outcome.workspace(), kMaxWorkspacePath)
      .Text("outcome.last_output", outcome.last_output(), kMaxLastOutput)
      .problem();
}

std::optional<std::string> Check(const v1::Welcome& welcome) {
  Checker checker("welcome");
  checker.Text("ingest_id", welcome.ingest_id(), kMaxBootId)
      .Span("lease_ttl", welcome.lease_ttl(), Duration::zero(), kMaxLeaseTtl)
      .List("decisions", welcome.decisions_size(), 2 * kMaxLeasesListed);
  // If the field is missing, ingest expects no keep-alives.
  if (welcome.has_keep_alive_interval()) {
    checker.Span("keep_alive_interval", welcome.keep_alive_interval(), kMinKeepAliveInterval,
                 kMaxKeepAliveInterval);
  }
  for (const v1::Decision& decision : welcome.decisions()) {
    if (checker.problem()) break;
    checker.Lease("decisions.lease", decision.lease());
  }
  return checker.problem();
}

std::optional<std::string> Check(const v1::Offer& offer) {
  const v1::Incident& incident = offer.incident();
  const std::string& cluster = incident.cluster();
  const v1::Resource& resource = incident.resource();
  Checker checker("offer");
  checker.Lease("lease", offer.lease())
      .That("incident.incident_id", incident.incident_id() == offer.lease().incident_id(),
            "not the id of the lease", "the same id")
      .Text("incident.cluster", cluster, kMaxName, 1)
      .That("incident.cluster",
            !cluster.empty() && cluster[0] != '.' &&
                cluster.find_first_of(std::string_view("/\0", 2)) == std::string::npos,
            "not a valid file name", "the name of a cluster")
      .Text("incident.fault_id", incident.fault_id(), kMaxUid)
      .Text("incident.fault_type", incident.fault_type(), kMaxName)
      .That("incident.severity", ParseSeverity(incident.severity()).has_value(), "unknown",
            "debug, info, warning, error or critical")
      .Text("incident.resource.api_version", resource.api_version(), kMaxName)
      .Text("incident.resource.kind", resource.kind(), kMaxName)
      .Text("incident.resource.name", resource.name(), kMaxName)
      .Text("incident.resource.namespace", resource.namespace_(), kMaxName)
      .Text("incident.resource.uid", resource.uid(), kMaxUid)
      .Text("incident.context", incident.context(), kMaxContext)
      .Time("incident.timestamp", incident.timestamp())
      .Time("incident.received_at", incident.received_at())
      .Time("incident.last_seen_at", incident.last_seen_at());
  if (!incident.rerun_of().empty()) checker.Id("incident.rerun_of", incident.rerun_of());
  return checker.problem();
}

}  // namespace

std::optional<std::string> WhyInvalid(const v1::ExecutorMessage& message) {
  switch (message.message_case()) {
    case v1::ExecutorMessage::kHello:
      return Check(message.hello());
    case v1::ExecutorMessage::kAccepted:
      return Checker("accepted").Lease("lease", message.accepted().lease()).problem();
    case v1::ExecutorMessage::kRejected:
      return Checker("rejected")
          .Lease("lease", message.rejected().lease())
          .Text("reason", message.rejected().reason(), kMaxReason)
          .problem();
    case v1::ExecutorMessage::kStarted:
      return Checker("started")
          .Lease("lease", message.started().lease())
          .Time("started_at", message.started().started_at())
          .problem();
    case v1::ExecutorMessage::kResult:
      return Check(message.result());
    case v1::ExecutorMessage::kCredits:
    case v1::ExecutorMessage::kKeepAlive:
    case v1::ExecutorMessage::kDraining:
    case v1::ExecutorMessage::MESSAGE_NOT_SET:
      break;
  }
  return std::nullopt;
}

std::optional<std::string> WhyInvalid(const v1::IngestMessage& message) {
  switch (message.message_case()) {
    case v1::IngestMessage::kWelcome:
      return Check(message.welcome());
    case v1::IngestMessage::kOffer:
      return Check(message.offer());
    case v1::IngestMessage::kResultAck:
      return Checker("result_ack").Lease("lease", message.result_ack().lease()).problem();
    case v1::IngestMessage::kCancel:
      return Checker("cancel")
          .Lease("lease", message.cancel().lease())
          .Text("reason", message.cancel().reason(), kMaxReason)
          .problem();
    case v1::IngestMessage::kKeepAliveAck:
    case v1::IngestMessage::kDrain:
    case v1::IngestMessage::MESSAGE_NOT_SET:
      break;
  }
  return std::nullopt;
}

}  // namespace runner
