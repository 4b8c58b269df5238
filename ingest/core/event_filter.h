#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/domain/incident.h"

namespace runner::ingest {

// Returns true if the whole `text` matches `pattern`, in which `*` matches any characters,
// including none. Case-sensitive. Costs O(pattern * text), without recursion.
bool GlobMatches(std::string_view pattern, std::string_view text);

// Admits names that match a pattern of `allow` and no pattern of `deny`.
struct NameRules {
  std::vector<std::string> allow = {"*"};
  std::vector<std::string> deny;

  bool Admits(std::string_view name) const;
  bool operator==(const NameRules&) const = default;
};

// The filter of one cluster.
struct FilterRules {
  bool triage = true;  // false: events are received and counted, never investigated
  Severity severity_threshold = Severity::kWarning;
  NameRules namespaces;  // not applied to objects without a namespace
  NameRules kinds;
  NameRules fault_types;

  bool operator==(const FilterRules&) const = default;
};

// Why an event does not become an incident.
enum class FilterReason { kTriageDisabled, kSeverity, kNamespace, kKind, kFaultType, kDuplicate };

// The value of the label `reason`.
std::string_view ToString(FilterReason reason);

// Decides whether an event is investigated. Pure.
class EventFilter {
 public:
  explicit EventFilter(FilterRules rules) : rules_(std::move(rules)) {}

  // Returns why the event is filtered, or nothing if it passes. Never kDuplicate.
  std::optional<FilterReason> Rejects(const FaultEvent& event) const;
  Severity threshold() const { return rules_.severity_threshold; }

 private:
  FilterRules rules_;
};

}  // namespace runner::ingest
