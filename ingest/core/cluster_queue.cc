#include "ingest/core/cluster_queue.h"

#include <iterator>

namespace runner::ingest {

std::optional<ClusterQueue::Entry> ClusterQueue::PopFront() {
  if (order_.empty()) return std::nullopt;
  return Take(order_.begin()->first);
}

std::optional<ClusterQueue::Entry> ClusterQueue::PopVictim(Priority newcomer) {
  if (!AgesOf(Priority::kNormal).empty()) return Take(AgesOf(Priority::kNormal).begin()->second);
  if (newcomer == Priority::kNormal || order_.empty()) return std::nullopt;
  return Take(AgesOf(Priority::kCritical).begin()->second);
}

std::optional<ClusterQueue::Entry> ClusterQueue::PopWaitingSince(MonoTime limit) {
  if (order_.empty() || OlderAges().begin()->first > limit) return std::nullopt;
  return Take(OlderAges().begin()->second);
}

ClusterQueue::Place ClusterQueue::Raise(Place place) {
  if (place.priority == Priority::kCritical) return place;
  return Insert({Priority::kCritical, place.position}, Take(place));
}

const ClusterQueue::Entry* ClusterQueue::Oldest() const {
  return order_.empty() ? nullptr : &order_.at(OlderAges().begin()->second);
}

std::size_t ClusterQueue::Before(Place place) const {
  return static_cast<std::size_t>(std::distance(order_.begin(), order_.find(place)));
}

const ClusterQueue::Ages& ClusterQueue::OlderAges() const {
  const Ages& critical = ages_[static_cast<std::size_t>(Priority::kCritical)];
  const Ages& normal = ages_[static_cast<std::size_t>(Priority::kNormal)];
  if (critical.empty()) return normal;
  if (normal.empty()) return critical;
  return *critical.begin() < *normal.begin() ? critical : normal;
}

ClusterQueue::Place ClusterQueue::Insert(Place place, Entry entry) {
  AgesOf(place.priority).emplace(entry.waiting_since, place);
  order_.emplace(place, std::move(entry));
  return place;
}

ClusterQueue::Entry ClusterQueue::Take(Place place) {
  const auto found = order_.find(place);
  Entry entry = std::move(found->second);
  order_.erase(found);
  AgesOf(place.priority).erase({entry.waiting_since, place});
  return entry;
}

}  // namespace runner::ingest
