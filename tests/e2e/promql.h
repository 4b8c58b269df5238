#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace runner::support {

// The names in a PromQL expression. Its syntax is checked by Prometheus, not here.
struct PromqlNames {
  struct Selector {
    std::set<std::string> metrics;  // more than one if a pattern matches __name__
    std::set<std::string> labels;   // in its matchers
  };
  std::vector<Selector> selectors;
  std::set<std::string> grouping;  // by, without, on, ignoring
  std::set<std::string> joined;    // group_left, group_right
  bool aggregates = false;
};

// Throws std::invalid_argument for what it does not support.
PromqlNames ReadPromql(std::string_view text);

// Every string that a regular expression of letters, (, | and ) matches. Throws
// std::invalid_argument for other expressions.
std::set<std::string> Alternatives(std::string_view pattern);

}  // namespace runner::support
