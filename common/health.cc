#include "common/health.h"

#include <utility>

#include "common/mutex.h"

namespace runner {

struct LoopProbe::State {
  Mutex mutex;
  std::optional<MonoTime> asked GUARDED_BY(mutex);  // empty: no ping is on its way
};

LoopProbe::LoopProbe(Inbox& inbox, const Clock& clock, Duration limit)
    : inbox_(inbox), clock_(clock), limit_(limit), state_(std::make_shared<State>()) {}

bool LoopProbe::Stuck() {
  const MonoTime now = clock_.Now().mono;
  {
    const MutexLock lock(state_->mutex);
    if (state_->asked) return now - *state_->asked >= limit_;
    state_->asked = now;
  }
  inbox_.Post([state = state_] {
    const MutexLock lock(state->mutex);
    state->asked.reset();
  });
  return false;
}

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
