#include "common/domain/incident.h"

#include <algorithm>
#include <array>
#include <utility>

namespace runner {
namespace {

constexpr std::array<std::string_view, 5> kSeverities = {"debug", "info", "warning", "error",
                                                         "critical"};
constexpr std::array<std::string_view, 5> kRunStatuses = {"success", "failure", "timeout",
                                                          "interrupted", "cancelled"};

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::string_view ToString(Severity severity) {
  return kSeverities[static_cast<std::size_t>(severity)];
}

std::optional<Severity> ParseSeverity(std::string_view word) {
  for (std::size_t i = 0; i < kSeverities.size(); ++i) {
    if (EqualsIgnoringCase(word, kSeverities[i])) return static_cast<Severity>(i);
  }
  if (EqualsIgnoringCase(word, "high")) return Severity::kError;
  if (EqualsIgnoringCase(word, "medium")) return Severity::kWarning;
  if (EqualsIgnoringCase(word, "low")) return Severity::kInfo;
  return std::nullopt;
}

std::string_view ToString(RunStatus status) {
  return kRunStatuses[static_cast<std::size_t>(status)];
}

std::optional<RunStatus> ParseRunStatus(std::string_view word) {
  const auto found = std::find(kRunStatuses.begin(), kRunStatuses.end(), word);
  if (found == kRunStatuses.end()) return std::nullopt;
  return static_cast<RunStatus>(found - kRunStatuses.begin());
}

}  // namespace runner
