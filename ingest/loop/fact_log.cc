#include "ingest/loop/fact_log.h"

namespace runner::ingest {
namespace {

std::string ResourceText(const Resource& resource) {
  std::string text = resource.kind + "/";
  if (!resource.namespace_.empty()) text += resource.namespace_ + "/";
  return text + resource.name;
}

LogFields IncidentFields(const Lease& lease, const std::string& cluster,
                         const std::string& executor_id, const std::string& status,
                         const std::string& reason) {
  return {{"incident_id", lease.incident_id}, {"cluster", cluster}, {"executor_id", executor_id},
          {"attempt", lease.attempt},         {"status", status},   {"reason", reason}};
}

std::string Participle(CircuitBreaker::State state) {
  return state == CircuitBreaker::State::kOpen ? "opened" : std::string(ToString(state));
}

}  // namespace

void FactLog::operator()(const EventReceived& e) const {
  logger.Info("Event received", {{"event_id", e.event_id},
                                 {"cluster", e.event.cluster},
                                 {"resource", ResourceText(e.event.resource)},
                                 {"severity", ToString(e.event.severity)},
                                 {"fault_type", e.event.fault_type}});
}

void FactLog::operator()(const EventFiltered& e) const {
  logger.Debug("Event filtered", {{"event_id", e.event_id},
                                  {"cluster", e.event.cluster},
                                  {"reason", ToString(e.reason)},
                                  {"severity", ToString(e.event.severity)},
                                  {"severity_threshold", ToString(e.threshold)}});
}

void FactLog::operator()(const EventBreakerDropped& e) const {
  logger.Debug(
      "Event dropped",
      {{"event_id", e.event_id}, {"cluster", e.event.cluster}, {"reason", "circuit_breaker"}});
}

void FactLog::operator()(const BreakerChanged& e) const {
  logger.Warn("Circuit breaker " + Participle(e.state),
              {{"failures", e.failures}, {"cooldown", cooldown}});
}

void FactLog::operator()(const EventQueued& e) const {
  logger.Info("Event queued", {{"event_id", EventId(e.incident)},
                               {"incident_id", e.incident.id},
                               {"cluster", e.incident.event.cluster},
                               {"queue_depth", e.queue_depth}});
}

void FactLog::operator()(const QueueOverflowed& e) const {
  logger.Error("Queue overflow", {{"cluster", e.cluster},
                                  {"event_id", e.event_id},
                                  {"policy", ToString(policy)},
                                  {"depth", e.depth}});
}

void FactLog::operator()(const EventExpired& e) const {
  logger.Warn("Expired queued event", {{"cluster", e.incident.event.cluster},
                                       {"event_id", EventId(e.incident)},
                                       {"age", e.age},
                                       {"max_age", max_age}});
}

void FactLog::operator()(const IncidentLeased& e) const {
  logger.Info("Incident leased", IncidentFields(e.lease, e.cluster, e.executor_id, "leased", ""));
}

void FactLog::operator()(const IncidentRequeued& e) const {
  std::string reason(ToString(e.reason));
  if (e.reason == RequeueReason::kRejected) {
    reason.append(": ").append(dispatch::ToString(e.reject_reason));
  }
  logger.Info("Incident requeued",
              IncidentFields(e.lease, e.cluster, e.executor_id, "queued", reason));
}

void FactLog::operator()(const IncidentFinished& e) const {
  logger.Info("Incident finished", IncidentFields(e.lease, e.cluster, e.executor_id,
                                                  std::string(ToString(e.status)), e.reason));
}

}  // namespace runner::ingest
