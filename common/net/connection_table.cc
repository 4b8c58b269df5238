#include "common/net/connection_table.h"

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

std::optional<ConnectionTable::Id> ConnectionTable::Excess(MonoTime now, const Received& received,
                                                           const Serves& serves) {
  if (connections_.empty()) return std::nullopt;
  const auto& [newest, last] = *connections_.rbegin();
  const auto count = per_address_.find(last.address);
  const bool address_full = count != per_address_.end() && count->second > limits_.per_address;
  if (!address_full && connections_.size() <= limits_.connections) return std::nullopt;

  std::vector<Id> candidates;  // oldest first
  for (auto& [id, connection] : connections_) {
    if (id == newest) continue;
    if (address_full && connection.address != last.address) continue;
    const Duration age = now - connection.since;
    if (connection.address.empty() && age > limits_.settled_after) continue;
    if (connection.silent && age > kSilentTime) {
      connection.silent = received(id) == 0;
      if (connection.silent) return id;
    }
    candidates.push_back(id);
  }
  std::optional<Id> serving;
  std::optional<Id> waiting;
  std::size_t serve = 0;
  for (const Id id : candidates) {
    const bool is_serving = serves(id);
    if (is_serving) ++serve;
    std::optional<Id>& oldest = is_serving ? serving : waiting;
    if (!oldest) oldest = id;
    if (limits_.keep_serving && waiting) break;
  }
  if (limits_.keep_serving) return waiting ? waiting : newest;
  const std::optional<Id> excess = serve > candidates.size() - serve ? serving : waiting;
  return excess ? excess : newest;
}

std::vector<ConnectionTable::Id> ConnectionTable::Busiest(const Received& received,
                                                          const Serves& serves, std::uint64_t sum) {
  std::vector<Id> busiest = Busiest(received, serves, false, kBusyBytes, sum);
  return busiest.empty() ? Busiest(received, serves, true, kServingBytes, sum) : busiest;
}

std::vector<ConnectionTable::Id> ConnectionTable::Busiest(const Received& received,
                                                          const Serves& serves, bool serving,
                                                          std::uint64_t least,
                                                          std::uint64_t least_sum) {
  std::uint64_t sum = 0;
  std::vector<std::pair<Id, std::uint64_t>> grown;
  for (const auto& [id, connection] : connections_) {
    const std::uint64_t now = received(id);
    const std::uint64_t bytes = now - std::min(connection.received, now);
    if (bytes < least || serves(id) != serving) continue;
    grown.emplace_back(id, bytes);
    sum += bytes;
  }
  if (sum < least_sum) return {};
  std::vector<Id> busiest;
  for (const auto& [id, bytes] : grown) {
    if (bytes < sum / grown.size() / 2) continue;
    connections_.at(id).received += bytes;
    busiest.push_back(id);
  }
  return busiest;
}

void ConnectionTable::Calm(const Received& received, const Serves& serves) {
  for (auto& [id, connection] : connections_) {
    if (serves(id)) connection.received = received(id);
  }
}

}  // namespace runner
