#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/faultsim/http_request.h"
#include "tools/faultsim/script.h"

namespace runner::faultsim {

// Picks the rule for each request: the first one that matches, its turn included. Every rule counts
// what matches the rest of its conditions, also when an earlier rule takes the request. No I/O; not
// thread-safe.
class ScriptMatcher {
 public:
  ScriptMatcher() = default;
  explicit ScriptMatcher(Script script);

  // The steps to take instead of the plain answer; null when no rule matches.
  std::shared_ptr<const Steps> Match(const HttpRequest& request);

 private:
  struct Counted {
    Rule rule;
    std::uint64_t seen = 0;
    std::unordered_map<std::string, std::uint64_t> seen_in_session;
  };

  std::vector<Counted> rules_;
};

}  // namespace runner::faultsim
