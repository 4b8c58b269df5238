#include "ingest/mcp/connect_gate.h"

#include <algorithm>

namespace runner::ingest {

ConnectGate::ConnectGate(std::size_t width) : width_(std::max<std::size_t>(width, 1)) {}

bool ConnectGate::Enter(Guest& guest) {
  if (inside_.contains(&guest)) return true;
  if (places_.contains(&guest)) return false;
  if (inside_.size() < width_) {
    inside_.insert(&guest);
    return true;
  }
  places_.emplace(&guest, queue_.insert(queue_.end(), &guest));
  return false;
}

void ConnectGate::Leave(Guest& guest) {
  if (const auto place = places_.find(&guest); place != places_.end()) {
    queue_.erase(place->second);
    places_.erase(place);
    return;
  }
  if (inside_.erase(&guest) == 0 || queue_.empty()) return;
  Guest* const next = queue_.front();
  queue_.pop_front();
  places_.erase(next);
  inside_.insert(next);
  next->OnTurn();
}

}  // namespace runner::ingest
