#pragma once

#include "tests/sim/event_queue.h"
#include "tests/sim/fault_plan.h"
#include "tests/sim/findings.h"
#include "tests/sim/random.h"
#include "tests/sim/trace.h"
#include "tests/sim/transitions.h"

namespace runner::sim {

// What all actors of a history share: time, randomness, the fault plan, and the records of what
// happened. Owned by World; actors hold a reference.
struct Environment {
  Environment(std::uint64_t seed, Trace::Mode mode)
      : random(seed), fault_plan(FaultPlan::Of(random)), trace(mode) {}

  MonoTime Now() const { return events.Now().mono; }
  bool Strikes(Fault fault) { return fault_plan.Strikes(fault, random); }
  template <typename Compose>
  void Note(std::string_view actor, Compose compose) {
    trace.Line(Now() - kBeginning.mono, actor, compose);
  }

  Random random;
  FaultPlan fault_plan;
  EventQueue events;
  Trace trace;
  Transitions transitions;
  Findings findings;
};

}  // namespace runner::sim
