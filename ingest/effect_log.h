#pragma once

#include <string>

#include "common/logging.h"
#include "ingest/core/effects.h"
#include "ingest/core/scheduler.h"

namespace runner::ingest {

// The log line of each effect that has one; messages to executors have none.
struct EffectLog {
  const Logger& logger;
  OverflowPolicy policy;
  Duration max_age;
  Duration cooldown;

  void operator()(const EventReceived& e) const;
  void operator()(const EventFiltered& e) const;
  void operator()(const EventBreakerDropped& e) const;
  void operator()(const BreakerChanged& e) const;
  void operator()(const EventQueued& e) const;
  void operator()(const QueueOverflowed& e) const;
  void operator()(const EventExpired& e) const;
  void operator()(const CancelSilent& e) const;
  void operator()(const IncidentLeased& e) const;
  void operator()(const IncidentRequeued& e) const;
  void operator()(const IncidentFinished& e) const;
  template <typename Message>
  void operator()(const Message&) const {}
};

}  // namespace runner::ingest
