#include "tools/faultsim/fault_pump.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace runner::faultsim {
namespace {

using namespace std::chrono_literals;

constexpr int kFaultsPerTurn = 256;
constexpr auto kRetryCongested = 10ms;
constexpr auto kMaxDelay = 1s;  // older faults that could not be sent in time are skipped

}  // namespace

FaultPump::FaultPump(EventLoop& event_loop, McpServer& mcp, const HttpServer& http,
                     FaultGenerator generator, Pace pace, Observer observer)
    : event_loop_(event_loop),
      mcp_(mcp),
      http_(http),
      generator_(std::move(generator)),
      pace_(pace),
      period_(FromSeconds(1 / pace.per_second)),
      observer_(std::move(observer)) {
  // Posted, so that the response to the subscription is sent first.
  mcp_.OnAudience([this] {
    if (!std::exchange(starting_, true)) event_loop_.Post([this] { Start(); });
  });
}

bool FaultPump::Idle() const {
  return !mcp_.HasAudience() || (pace_.count > 0 && emitted_ >= pace_.count);
}

void FaultPump::Start() {
  starting_ = false;
  event_loop_.Cancel(timer_);
  next_ = event_loop_.Now().mono;
  Tick();
}

void FaultPump::Tick() {
  timer_ = EventLoop::kNoTimer;
  const MonoTime now = event_loop_.Now().mono;
  next_ = std::max(next_, now - kMaxDelay);
  for (int i = 0; i < kFaultsPerTurn && next_ <= now && !http_.Congested() && !Idle(); ++i) {
    Emit();
    next_ += period_;
  }
  if (Idle()) return;
  timer_ = event_loop_.At(http_.Congested() ? now + kRetryCongested : next_, [this] { Tick(); });
}

void FaultPump::Emit() {
  const FaultEvent fault = generator_.Next(event_loop_.Now().wall);
  const std::size_t sessions = mcp_.Publish(fault);
  ++emitted_;
  if (observer_) observer_(fault, sessions);
}

}  // namespace runner::faultsim
