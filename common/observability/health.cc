#include "common/observability/health.h"

#include <utility>

namespace runner {

HealthCheck ShutdownCheck(std::function<bool()> is_shutting_down) {
  return {"shutdown",
          [is_shutting_down = std::move(is_shutting_down)]() -> std::optional<std::string> {
            if (!is_shutting_down()) return std::nullopt;
            return "Shutting down";
          }};
}

HealthCheck LoopCheck(std::string loop_name, LoopProbe& probe) {
  std::string reason = "loop " + loop_name + " does not answer";
  return {std::move(loop_name),
          [reason = std::move(reason), &probe]() -> std::optional<std::string> {
            if (!probe.Stuck()) return std::nullopt;
            return reason;
          }};
}

HttpHandler HealthHandler(std::vector<HealthCheck> checks) {
  return [checks = std::move(checks)](const HttpRequest& request) {
    std::string reasons;
    std::string details;
    for (const HealthCheck& check : checks) {
      const std::optional<std::string> failure = check.failure();
      if (failure) reasons += *failure + '\n';
      details +=
          failure ? "[-]" + check.name + ": " + *failure + '\n' : "[+]" + check.name + " ok\n";
    }
    HttpResponse response;
    response.status = reasons.empty() ? 200 : 503;
    response.body = reasons.empty() ? "ok\n" : reasons;
    if (request.HasQuery("verbose")) response.body = details;
    return response;
  };
}

}  // namespace runner
