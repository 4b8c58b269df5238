#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/domain/incident.h"

namespace runner::ingest {

// Whether `text` as a whole fits `pattern`, in which every `*` stands for any characters, also
// none. Case counts. Linear in memory, never exponential in time.
bool GlobMatches(std::string_view pattern, std::string_view text);

// Which names pass: those that a pattern of `allow` fits and none of `deny`.
struct NameRules {
  std::vector<std::string> allow = {"*"};
  std::vector<std::string> deny;

  bool Admits(std::string_view name) const;
  bool operator==(const NameRules&) const = default;
};

// What the events of one cluster must be like to be investigated.
struct FilterRules {
  bool triage = true;  // false: events are received and counted, never investigated
  Severity severity_threshold = Severity::kWarning;
  NameRules namespaces;  // cluster-scoped objects have no namespace and pass
  NameRules kinds;
  NameRules fault_types;

  bool operator==(const FilterRules&) const = default;
};

// Why an event becomes no incident.
enum class FilterReason { kTriageDisabled, kSeverity, kNamespace, kKind, kFaultType, kDuplicate };

// The word of the `reason` label.
std::string_view ToString(FilterReason reason);

// Decides whether an event deserves an investigation at all. Pure.
class EventFilter {
 public:
  explicit EventFilter(FilterRules rules) : rules_(std::move(rules)) {}

  // Why the event is filtered, or nothing if it passes. Never kDuplicate.
  std::optional<FilterReason> Rejects(const FaultEvent& event) const;
  Severity threshold() const { return rules_.severity_threshold; }

 private:
  FilterRules rules_;
};

}  // namespace runner::ingest
