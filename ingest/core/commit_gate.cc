#include "ingest/core/commit_gate.h"

#include <utility>
#include <variant>
#include <vector>

namespace runner::ingest {

Effects CommitGate::Pass(Effects step) {
  std::vector<IncidentChange> changes;
  Effects effects;
  for (Effect& effect : step) {
    if (Persist* persist = std::get_if<Persist>(&effect)) {
      changes.push_back(std::move(persist->change));
    } else {
      effects.push_back(std::move(effect));
    }
  }
  if (!changes.empty()) appended_ = journal_.Append(std::move(changes));
  if (!effects.empty()) held_.push_back({appended_, std::move(effects)});
  return Release();
}

Effects CommitGate::Release() {
  const IncidentJournal::Committed committed = journal_.committed();
  Effects released;
  while (!held_.empty() && held_.front().after <= committed.position) {
    for (Effect& effect : held_.front().effects) {
      if (auto* to = std::get_if<ToExecutor>(&effect)) {
        auto* ack = std::get_if<dispatch::ResultAck>(&to->message);
        if (ack != nullptr) ack->is_volatile = committed.is_volatile;
      }
      released.push_back(std::move(effect));
    }
    held_.pop_front();
  }
  return released;
}

}  // namespace runner::ingest
