#include "ingest/core/event_filter.h"

#include <algorithm>

namespace runner::ingest {

bool GlobMatches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  // Where to resume when the latest star must match one more character. Earlier stars need no
  // backtracking: the latest star can match whatever they could.
  std::size_t after_star = std::string_view::npos;
  std::size_t star_end = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      after_star = ++p;
      star_end = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (after_star != std::string_view::npos) {
      p = after_star;
      t = ++star_end;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool NameRules::Admits(std::string_view name) const {
  const auto matches = [&](const std::string& pattern) { return GlobMatches(pattern, name); };
  return std::any_of(allow.begin(), allow.end(), matches) &&
         std::none_of(deny.begin(), deny.end(), matches);
}

std::string_view ToString(FilterReason reason) {
  switch (reason) {
    case FilterReason::kTriageDisabled:
      return "triage_disabled";
    case FilterReason::kSeverity:
      return "severity";
    case FilterReason::kNamespace:
      return "namespace";
    case FilterReason::kKind:
      return "kind";
    case FilterReason::kFaultType:
      return "fault_type";
    case FilterReason::kDuplicate:
      return "duplicate";
  }
  return "";
}

std::optional<FilterReason> EventFilter::Rejects(const FaultEvent& event) const {
  const std::string& namespace_ = event.resource.namespace_;
  if (!rules_.triage) return FilterReason::kTriageDisabled;
  if (event.severity < rules_.severity_threshold) return FilterReason::kSeverity;
  if (!namespace_.empty() && !rules_.namespaces.Admits(namespace_)) return FilterReason::kNamespace;
  if (!rules_.kinds.Admits(event.resource.kind)) return FilterReason::kKind;
  if (!rules_.fault_types.Admits(event.fault_type)) return FilterReason::kFaultType;
  return std::nullopt;
}

}  // namespace runner::ingest
