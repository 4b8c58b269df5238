#include "ingest/mcp/transport/connect_limiter.h"

#include <algorithm>

namespace runner::ingest {

ConnectGate::ConnectGate(std::size_t width, std::size_t max_lookups)
    : width_(std::max<std::size_t>(width, 1)), max_lookups_(max_lookups) {}

bool ConnectGate::Enter(Guest& guest, Standing standing) {
  if (const auto found = places_.find(&guest); found != places_.end()) {
    return found->second.state != State::kQueued;
  }
  Place& place = places_[&guest];
  place.standing = standing;
  if (inside_ < width_) {
    ++inside_;
    return true;
  }
  place.state = State::kQueued;
  std::list<Guest*>& queue = QueueOf(standing);
  place.at = queue.insert(queue.end(), &guest);
  return false;
}

void ConnectGate::Yield(Guest& guest, WaitsFor what) {
  const auto found = places_.find(&guest);
  if (found == places_.end() || found->second.state == State::kQueued) return;
  Place& place = found->second;
  if (what == WaitsFor::kServer) {
    Move(place, State::kYielded);
  } else if (place.state == State::kInside && lookups_ < max_lookups_) {
    Move(place, State::kYieldedInLookup);
  }
  Admit();
}

void ConnectGate::Return(Guest& guest) {
  const auto found = places_.find(&guest);
  if (found == places_.end() || found->second.state == State::kQueued) return;
  Move(found->second, State::kInside);
}

void ConnectGate::Leave(Guest& guest) {
  const auto found = places_.find(&guest);
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

void ConnectGate::Move(Place& place, State state) {
  if (place.state == State::kInside) --inside_;
  if (place.state == State::kYieldedInLookup) --lookups_;
  if (state == State::kInside) ++inside_;
  if (state == State::kYieldedInLookup) ++lookups_;
  place.state = state;
}

void ConnectGate::Admit() {
  for (std::list<Guest*>& queue : queues_) {
    while (inside_ < width_ && !queue.empty()) {
      Guest* const next = queue.front();
      queue.pop_front();
      places_.at(next).state = State::kInside;
      ++inside_;
      next->OnTurn();
    }
  }
}

}  // namespace runner::ingest
