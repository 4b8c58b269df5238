#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/loop/loop_probe.h"
#include "common/observability/http_server.h"

namespace runner {

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
