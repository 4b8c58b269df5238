#pragma once

#include <optional>
#include <string_view>

#include "common/incident.h"

namespace runner::ingest {

// Decides whether an event deserves an investigation at all. Pure; immutable.
class EventFilter {
 public:
  explicit EventFilter(Severity threshold) : threshold_(threshold) {}

  // Why the event is filtered (a word of the `reason` label), or nothing when it passes.
  std::optional<std::string_view> Rejects(const FaultEvent& event) const {
    if (event.severity < threshold_) return "severity";
    return std::nullopt;
  }

 private:
  const Severity threshold_;
};

}  // namespace runner::ingest
