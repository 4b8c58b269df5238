#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace runner::support {

// What a PromQL expression speaks of. Only the names are read; whether it is well formed is for
// Prometheus to say.
struct PromqlNames {
  struct Selector {
    std::set<std::string> metrics;  // more than one when __name__ is matched by a pattern
    std::set<std::string> labels;   // of its matchers
  };
  std::vector<Selector> selectors;
  std::set<std::string> grouping;  // by, without, on, ignoring
  std::set<std::string> joined;    // group_left, group_right
  bool aggregates = false;
};

// Throws std::invalid_argument with what it does not understand.
PromqlNames ReadPromql(std::string_view text);

// Every string that a regular expression of letters, (, | and ) matches. Throws
// std::invalid_argument for any other.
std::set<std::string> Alternatives(std::string_view pattern);

}  // namespace runner::support
