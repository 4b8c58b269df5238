#pragma once

#include <string>

#include "common/observability/logger.h"
#include "ingest/core/effects.h"
#include "ingest/core/scheduler.h"

namespace runner::ingest {

// The log line of each fact. A fact that is added does not compile until it is here.
struct FactLog {
  const Logger& logger;
  OverflowPolicy policy;
  Duration max_age;
  Duration cooldown;

  void operator()(const EventReceived& e) const;
  void operator()(const EventFiltered& e) const;
  void operator()(const EventEscalated&) const {}  // the incident that follows is logged
  void operator()(const EventBreakerDropped& e) const;
  void operator()(const BreakerChanged& e) const;
  void operator()(const EventQueued& e) const;
  void operator()(const QueueOverflowed& e) const;
  void operator()(const EventExpired& e) const;
  void operator()(const IncidentLeased& e) const;
  void operator()(const IncidentRequeued& e) const;
  void operator()(const IncidentFinished& e) const;
};

}  // namespace runner::ingest
