#include "ingest/core/circuit_breaker.h"

#include <utility>

namespace runner::ingest {

bool CircuitBreaker::AdmitsLease() const {
  return state_ == State::kClosed || (state_ == State::kHalfOpen && !probing_);
}

CircuitBreaker::Generation CircuitBreaker::OnLeased() {
  probing_ = state_ == State::kHalfOpen;
  return generation_;
}

bool CircuitBreaker::OnLeaseEnded(Generation generation, std::optional<RunStatus> status,
                                  MonoTime now) {
  if (options_.threshold == 0 || generation != generation_ || state_ == State::kOpen) return false;
  probing_ = false;
  if (status == RunStatus::kSuccess) {
    failures_ = 0;
    return std::exchange(state_, State::kClosed) != State::kClosed;
  }
  if (status != RunStatus::kFailure && status != RunStatus::kTimeout) return false;
  ++failures_;
  if (state_ == State::kClosed && failures_ < options_.threshold) return false;
  Open(now);
  return true;
}

void CircuitBreaker::Open(MonoTime now) {
  state_ = State::kOpen;
  half_open_at_ = now + options_.cooldown;
  ++generation_;
}

bool CircuitBreaker::OnTimer(MonoTime now) {
  if (state_ != State::kOpen || now < half_open_at_) return false;
  state_ = State::kHalfOpen;
  return true;
}

bool CircuitBreaker::Reset() {
  failures_ = 0;
  probing_ = false;
  ++generation_;
  return std::exchange(state_, State::kClosed) != State::kClosed;
}

std::optional<MonoTime> CircuitBreaker::NextDeadline() const {
  if (state_ != State::kOpen) return std::nullopt;
  return half_open_at_;
}

std::string_view ToString(CircuitBreaker::State state) {
  switch (state) {
    case CircuitBreaker::State::kClosed:
      return "closed";
    case CircuitBreaker::State::kOpen:
      return "open";
    case CircuitBreaker::State::kHalfOpen:
      return "half-open";
  }
  return "";
}

}  // namespace runner::ingest
