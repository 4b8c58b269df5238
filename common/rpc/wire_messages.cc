// Conversions of the messages of the dispatch protocol, in the order of dispatch.proto.

#include <string>
#include <utility>

#include "common/base/utf8.h"
#include "common/rpc/wire.h"
#include "runner/v1/dispatch.pb.h"
#include "runner/v1/incident.pb.h"

namespace runner {
namespace {

using Leases = google::protobuf::RepeatedPtrField<v1::Lease>;

// One overload for each kind: a new kind does not compile without one.
struct Writer {
  v1::ExecutorMessage up;
  v1::IngestMessage down;

  void operator()(const dispatch::Hello& from) {
    v1::Hello& hello = *up.mutable_hello();
    hello.set_executor_id(from.executor_id);
    hello.set_boot_id(from.boot_id);
    hello.set_version(from.version);
    hello.set_slots(from.slots);
    hello.set_sidecar(from.sidecar);
    *hello.mutable_stop_budget() = ToProto(from.stop_budget);
    for (const Lease& lease : from.running) *hello.add_running() = ToProto(lease);
    for (const Lease& lease : from.results_waiting) *hello.add_results_waiting() = ToProto(lease);
  }
  void operator()(const dispatch::Credits& from) { up.mutable_credits()->set_total(from.total); }
  void operator()(const dispatch::Accepted& from) {
    *up.mutable_accepted()->mutable_lease() = ToProto(from.lease);
  }
  void operator()(const dispatch::Rejected& from) {
    *up.mutable_rejected()->mutable_lease() = ToProto(from.lease);
    up.mutable_rejected()->set_reason(std::string(dispatch::ToString(from.reason)));
  }
  void operator()(const dispatch::Started& from) {
    *up.mutable_started()->mutable_lease() = ToProto(from.lease);
    up.mutable_started()->set_pid(from.pid);
    *up.mutable_started()->mutable_started_at() = ToProto(from.started_at);
  }
  void operator()(const dispatch::Result& from) {
    *up.mutable_result()->mutable_lease() = ToProto(from.lease);
    *up.mutable_result()->mutable_outcome() = ToProto(from.outcome);
  }
  void operator()(const dispatch::KeepAlive& from) { up.mutable_keep_alive()->set_seq(from.seq); }
  void operator()(const dispatch::Draining&) { up.mutable_draining(); }

  void operator()(const dispatch::Welcome& from) {
    v1::Welcome& welcome = *down.mutable_welcome();
    welcome.set_ingest_id(from.ingest_id);
    if (from.keep_alive_interval != Duration::zero()) {
      *welcome.mutable_keep_alive_interval() = ToProto(from.keep_alive_interval);
    }
    *welcome.mutable_lease_ttl() = ToProto(from.lease_ttl);
    for (const dispatch::LeaseDecision& decision : from.decisions) {
      v1::Decision& added = *welcome.add_decisions();
      *added.mutable_lease() = ToProto(decision.lease);
      added.set_verdict(decision.keep ? v1::Decision::VERDICT_KEEP : v1::Decision::VERDICT_DROP);
    }
  }
  void operator()(const dispatch::Offer& from) {
    *down.mutable_offer()->mutable_lease() = ToProto(from.lease);
    *down.mutable_offer()->mutable_incident() = ToProto(from.incident);
  }
  void operator()(const dispatch::KeepAliveAck& from) {
    down.mutable_keep_alive_ack()->set_seq(from.seq);
  }
  void operator()(const dispatch::ResultAck& from) {
    *down.mutable_result_ack()->mutable_lease() = ToProto(from.lease);
    down.mutable_result_ack()->set_volatile_(from.is_volatile);
  }
  void operator()(const dispatch::Cancel& from) {
    *down.mutable_cancel()->mutable_lease() = ToProto(from.lease);
    down.mutable_cancel()->set_reason(std::string(dispatch::ToString(from.reason)));
  }
  void operator()(const dispatch::Drain&) { down.mutable_drain(); }
};

std::vector<Lease> LeasesOf(const Leases& messages) {
  std::vector<Lease> leases;
  leases.reserve(static_cast<std::size_t>(messages.size()));
  for (const v1::Lease& message : messages) {
    if (auto lease = FromProto(message)) leases.push_back(*std::move(lease));
  }
  return leases;
}

dispatch::Hello Read(const v1::Hello& hello) {
  return {hello.executor_id(),       hello.boot_id(),
          hello.version(),           hello.slots(),
          hello.sidecar(),           FromProto(hello.stop_budget()).value_or(Duration::zero()),
          LeasesOf(hello.running()), LeasesOf(hello.results_waiting())};
}

dispatch::Welcome Read(const v1::Welcome& welcome) {
  dispatch::Welcome out;
  out.ingest_id = welcome.ingest_id();
  out.keep_alive_interval = FromProto(welcome.keep_alive_interval()).value_or(Duration::zero());
  out.lease_ttl = FromProto(welcome.lease_ttl()).value_or(Duration::zero());
  for (const v1::Decision& decision : welcome.decisions()) {
    auto lease = FromProto(decision.lease());
    if (!lease || decision.verdict() == v1::Decision::VERDICT_UNSPECIFIED) continue;
    out.decisions.push_back({*std::move(lease), decision.verdict() == v1::Decision::VERDICT_KEEP});
  }
  return out;
}

}  // namespace

v1::ExecutorMessage ToProto(const dispatch::ExecutorMessage& message) {
  Writer writer;
  std::visit(writer, message);
  return std::move(writer.up);
}

v1::IngestMessage ToProto(const dispatch::IngestMessage& message) {
  Writer writer;
  std::visit(writer, message);
  return std::move(writer.down);
}

std::optional<dispatch::ExecutorMessage> FromProto(const v1::ExecutorMessage& message) {
  switch (message.message_case()) {
    case v1::ExecutorMessage::kHello:
      return Read(message.hello());
    case v1::ExecutorMessage::kCredits:
      return dispatch::Credits{message.credits().total()};
    case v1::ExecutorMessage::kAccepted:
      if (auto lease = FromProto(message.accepted().lease())) {
        return dispatch::Accepted{*std::move(lease)};
      }
      break;
    case v1::ExecutorMessage::kRejected:
      if (auto lease = FromProto(message.rejected().lease())) {
        return dispatch::Rejected{*std::move(lease),
                                  dispatch::ParseRejectReason(message.rejected().reason())};
      }
      break;
    case v1::ExecutorMessage::kStarted: {
      auto lease = FromProto(message.started().lease());
      const auto started_at = FromProto(message.started().started_at());
      if (lease && started_at) {
        return dispatch::Started{*std::move(lease), message.started().pid(), *started_at};
      }
      break;
    }
    case v1::ExecutorMessage::kResult: {
      auto lease = FromProto(message.result().lease());
      auto outcome = FromProto(message.result().outcome());
      if (lease && outcome) return dispatch::Result{*std::move(lease), *std::move(outcome)};
      break;
    }
    case v1::ExecutorMessage::kKeepAlive:
      return dispatch::KeepAlive{message.keep_alive().seq()};
    case v1::ExecutorMessage::kDraining:
      return dispatch::Draining{};
    case v1::ExecutorMessage::MESSAGE_NOT_SET:
      break;
  }
  return std::nullopt;
}

std::optional<dispatch::IngestMessage> FromProto(const v1::IngestMessage& message) {
  switch (message.message_case()) {
    case v1::IngestMessage::kWelcome:
      return Read(message.welcome());
    case v1::IngestMessage::kOffer: {
      auto lease = FromProto(message.offer().lease());
      auto incident = FromProto(message.offer().incident());
      if (lease && incident) return dispatch::Offer{*std::move(lease), *std::move(incident)};
      break;
    }
    case v1::IngestMessage::kKeepAliveAck:
      return dispatch::KeepAliveAck{message.keep_alive_ack().seq()};
    case v1::IngestMessage::kResultAck:
      if (auto lease = FromProto(message.result_ack().lease())) {
        return dispatch::ResultAck{*std::move(lease), message.result_ack().volatile_()};
      }
      break;
    case v1::IngestMessage::kCancel:
      if (auto lease = FromProto(message.cancel().lease())) {
        return dispatch::Cancel{*std::move(lease),
                                dispatch::ParseCancelReason(message.cancel().reason())};
      }
      break;
    case v1::IngestMessage::kDrain:
      return dispatch::Drain{};
    case v1::IngestMessage::MESSAGE_NOT_SET:
      break;
  }
  return std::nullopt;
}

}  // namespace runner
