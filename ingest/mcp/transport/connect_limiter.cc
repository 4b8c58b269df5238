#include "ingest/mcp/transport/connect_limiter.h"

#include <algorithm>

namespace runner::ingest {

ConnectLimiter::ConnectLimiter(std::size_t width, std::size_t max_lookups)
    : width_(std::max<std::size_t>(width, 1)), max_lookups_(max_lookups) {}

bool ConnectLimiter::Enter(Waiter& waiter, Standing standing) {
  if (const auto found = places_.find(&waiter); found != places_.end()) {
    return found->second.state != State::kQueued;
  }
  Place& place = places_[&waiter];
  place.standing = standing;
  if (inside_ < width_) {
    ++inside_;
    return true;
  }
  place.state = State::kQueued;
  std::list<Waiter*>& queue = QueueOf(standing);
  place.at = queue.insert(queue.end(), &waiter);
  return false;
}

void ConnectLimiter::Yield(Waiter& waiter, WaitsFor what) {
  const auto found = places_.find(&waiter);
  if (found == places_.end() || found->second.state == State::kQueued) return;
  Place& place = found->second;
  if (what == WaitsFor::kServer) {
    Move(place, State::kYielded);
  } else if (place.state == State::kInside && lookups_ < max_lookups_) {
    Move(place, State::kYieldedInLookup);
  }
  Admit();
}

void ConnectLimiter::Return(Waiter& waiter) {
  const auto found = places_.find(&waiter);
  if (found == places_.end() || found->second.state == State::kQueued) return;
  Move(found->second, State::kInside);
}

void ConnectLimiter::Leave(Waiter& waiter) {
  const auto found = places_.find(&waiter);
  if (found == places_.end()) return;
  Place& place = found->second;
  if (place.state == State::kQueued) {
    QueueOf(place.standing).erase(place.at);
  } else {
    Move(place, State::kYielded);
  }
  places_.erase(found);
  Admit();
}

void ConnectLimiter::Move(Place& place, State state) {
  if (place.state == State::kInside) --inside_;
  if (place.state == State::kYieldedInLookup) --lookups_;
  if (state == State::kInside) ++inside_;
  if (state == State::kYieldedInLookup) ++lookups_;
  place.state = state;
}

void ConnectLimiter::Admit() {
  for (std::list<Waiter*>& queue : queues_) {
    while (inside_ < width_ && !queue.empty()) {
      Waiter* const next = queue.front();
      queue.pop_front();
      places_.at(next).state = State::kInside;
      ++inside_;
      next->OnTurn();
    }
  }
}

}  // namespace runner::ingest
