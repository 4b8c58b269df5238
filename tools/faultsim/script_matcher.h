#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/faultsim/http_request.h"
#include "tools/faultsim/script.h"

namespace runner::faultsim {

// Selects the rule for each request: the first rule whose conditions and range match. Every rule
// counts the requests that match its conditions, even if an earlier rule applies. No I/O; not
// thread-safe.
class ScriptMatcher {
 public:
  ScriptMatcher() = default;
  explicit ScriptMatcher(Script script);

  // Returns the steps to play, or null if no rule applies.
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
