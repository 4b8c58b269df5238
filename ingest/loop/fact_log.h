#pragma once

#include <string>

#include "common/observability/logger.h"
#include "ingest/core/effects.h"
#include "ingest/core/scheduler.h"

namespace runner::ingest {

// Logs each fact. A new kind of fact does not compile until it is handled here.
struct FactLog {
  const Logger& logger;
  OverflowPolicy policy;
  Duration max_age;
  Duration cooldown;

  void operator()(const EventReceived& e) const;
  void operator()(const EventFiltered& e) const;
  void operator()(const EventEscalated&) const {}  // EventQueued or another result follows
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
