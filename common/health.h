#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/http_server.h"
#include "common/inbox.h"

namespace runner {

// Tells whether an event loop still serves its inbox. Every look posts a ping, unless one is still
// unanswered. Thread-safe. The inbox and the clock outlive it.
class LoopProbe {
 public:
  LoopProbe(Inbox& inbox, const Clock& clock, Duration limit = std::chrono::seconds(10));

  // Whether a ping has been unanswered for the limit or longer. Never waits.
  bool Stuck();

 private:
  struct State;

  Inbox& inbox_;
  const Clock& clock_;
  const Duration limit_;
  std::shared_ptr<State> state_;  // shared with the ping on its way
};

// One thing that health depends on. `failure` tells why it fails, or nothing; thread-safe, at once.
struct HealthCheck {
  std::string name;
  std::function<std::optional<std::string>()> failure;
};

// Fails with `Shutting down` once `is_shutting_down` says so.
HealthCheck ShutdownCheck(std::function<bool()> is_shutting_down);
// Fails when the loop is stuck, with a reason that names it. The probe outlives the check.
HealthCheck LoopCheck(std::string loop_name, LoopProbe& probe);

// Serves /healthz or /readyz. All checks pass: 200 `ok`. Otherwise 503 with one line for each
// reason, in the order of the checks. With `?verbose` one line for each check: `[+]mcp ok` or
// `[-]breaker: circuit breaker is open`.
HttpHandler HealthHandler(std::vector<HealthCheck> checks);

}  // namespace runner
