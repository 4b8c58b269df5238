#include "common/connection_table.h"

#include <algorithm>

namespace runner {

ConnectionTable::Id ConnectionTable::Add(MonoTime now, const std::string& address) {
  connections_.emplace(++last_, Connection{address, now});
  if (!address.empty()) ++per_address_[address];
  return last_;
}

void ConnectionTable::Remove(Id id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  const auto count = per_address_.find(found->second.address);
  if (count != per_address_.end() && --count->second == 0) per_address_.erase(count);
  connections_.erase(found);
}

std::optional<ConnectionTable::Oldest> ConnectionTable::oldest() const {
  if (connections_.empty()) return std::nullopt;
  const auto& [id, connection] = *connections_.begin();
  return Oldest{id, connection.since};
}

std::optional<ConnectionTable::Id> ConnectionTable::Excess(MonoTime now,
                                                           const Received& received) const {
  if (connections_.empty()) return std::nullopt;
  const auto& [newest, last] = *connections_.rbegin();
  const auto count = per_address_.find(last.address);
  const bool address_full = count != per_address_.end() && count->second > limits_.per_address;
  if (!address_full && connections_.size() <= limits_.connections) return std::nullopt;

  std::optional<Id> excess;
  std::uint64_t least = 0;
  for (const auto& [id, connection] : connections_) {
    if (id == newest) continue;
    if (address_full && connection.address != last.address) continue;
    if (now - connection.since > limits_.settled_after) continue;
    const std::uint64_t bytes = received(id);
    if (excess && bytes >= least) continue;
    excess = id;
    least = bytes;
    if (bytes == 0) break;
  }
  return excess ? excess : newest;
}

std::vector<ConnectionTable::Id> ConnectionTable::Busiest(const Received& received) {
  std::uint64_t sum = 0;
  std::vector<std::pair<Id, std::uint64_t>> grown;
  for (auto& [id, connection] : connections_) {
    const std::uint64_t now = received(id);
    const std::uint64_t bytes = now - std::min(connection.received, now);
    if (bytes < kBusyBytes) continue;
    connection.received = now;
    grown.emplace_back(id, bytes);
    sum += bytes;
  }
  std::vector<Id> busiest;
  for (const auto& [id, bytes] : grown) {
    if (bytes >= sum / grown.size() / 2) busiest.push_back(id);
  }
  return busiest;
}

}  // namespace runner
