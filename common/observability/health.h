#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/loop/loop_probe.h"
#include "common/observability/http_server.h"

namespace runner {

// One condition of health. `failure` returns the reason if it fails, else nothing; it must be
// thread-safe and not block.
struct HealthCheck {
  std::string name;
  std::function<std::optional<std::string>()> failure;
};

// Fails with `Shutting down` once `is_shutting_down` returns true.
HealthCheck ShutdownCheck(std::function<bool()> is_shutting_down);
// Fails with the name of the loop if the loop is stuck. The probe must outlive the check.
HealthCheck LoopCheck(std::string loop_name, LoopProbe& probe);

// Serves /healthz or /readyz. Returns 200 `ok` if all checks pass, otherwise 503 with one line for
// each reason, in the order of the checks. With `?verbose` one line for each check: `[+]mcp ok` or
// `[-]breaker: circuit breaker is open`.
HttpHandler HealthHandler(std::vector<HealthCheck> checks);

}  // namespace runner
