#include "common/base/backoff.h"

#include <algorithm>

namespace runner {
namespace {

constexpr Duration kShortestOverride = std::chrono::milliseconds(100);
constexpr double kSpread = 0.25;

Duration DoubleUpTo(Duration delay, Duration max) { return delay > max / 2 ? max : delay * 2; }

Duration Scale(Duration delay, double factor) {
  return Duration(static_cast<Duration::rep>(static_cast<double>(delay.count()) * factor));
}

}  // namespace

Backoff::Backoff(Duration initial, Duration max)
    : initial_(std::min(initial, max)), max_(max), delay_(initial_) {}

Duration Backoff::Next(double random01) {
  const Duration base = delay_;
  delay_ = DoubleUpTo(delay_, max_);
  if (override_) {
    const Duration requested = *override_;
    override_.reset();
    return requested;
  }
  // At the maximum the jitter lies below it: clamping would give many clients the same delay.
  const Duration shortest = Scale(base, 1 - kSpread);
  const Duration longest = std::min(Scale(base, 1 + kSpread), max_);
  return shortest + Scale(longest - shortest, std::clamp(random01, 0.0, 1.0));
}

void Backoff::Reset() {
  delay_ = initial_;
  override_.reset();
}

void Backoff::OverrideNext(Duration delay) {
  override_ = std::min(std::max(delay, kShortestOverride), max_);
}

FullJitterBackoff::FullJitterBackoff(Duration initial, Duration max)
    : initial_(std::min(initial, max)), max_(max), ceiling_(DoubleUpTo(initial_, max_)) {}

Duration FullJitterBackoff::Next(double random01) {
  const Duration ceiling = ceiling_;
  ceiling_ = DoubleUpTo(ceiling_, max_);
  const Duration delay = initial_ + Scale(ceiling - initial_, std::clamp(random01, 0.0, 1.0));
  return std::min(delay, max_);
}

void FullJitterBackoff::Reset() { ceiling_ = DoubleUpTo(initial_, max_); }

}  // namespace runner
