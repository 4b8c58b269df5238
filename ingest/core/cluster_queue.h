#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "common/base/clock.h"
#include "common/domain/incident.h"

namespace runner::ingest {

// Within a cluster critical incidents go first.
enum class Priority { kCritical, kNormal };

inline Priority PriorityOf(Severity severity) {
  return severity == Severity::kCritical ? Priority::kCritical : Priority::kNormal;
}

// The incidents of one cluster that wait for an executor, in two bands: the critical ones first,
// and within a band first in, first out, except that what comes back from an executor goes to the
// front.
//
// `waiting_since` is the moment from which the age of an entry counts. Age counts waiting only, so
// an incident that comes back has a moment shifted by the time it was away; the order of ages is
// therefore not the order of the queue, and has an index of its own.
//
// Every operation costs O(log n). Pure; not thread-safe.
class ClusterQueue {
 public:
  struct Entry {
    std::string incident_id;
    MonoTime waiting_since;
  };

  // Where an entry stands; it stays valid until the entry leaves the queue or is raised.
  struct Place {
    Priority priority = Priority::kNormal;
    std::int64_t position = 0;

    auto operator<=>(const Place&) const = default;
  };

  Place PushBack(Priority priority, Entry entry) {
    return Insert({priority, back_++}, std::move(entry));
  }
  Place PushFront(Priority priority, Entry entry) {
    return Insert({priority, front_--}, std::move(entry));
  }
  // The entry whose turn it is.
  std::optional<Entry> PopFront();
  // Makes room for a newcomer: takes the entry that has waited longest in the lower band of those
  // that the queue and the newcomer are in. Nothing when the newcomer itself is to go: the queue is
  // empty, or holds only critical entries and the newcomer is not critical.
  std::optional<Entry> PopVictim(Priority newcomer);
  // The entry that has waited longest, if it has since `limit` or longer.
  std::optional<Entry> PopWaitingSince(MonoTime limit);
  // Takes an entry out of turn.
  Entry Take(Place place);
  // The entry becomes critical and keeps its turn among those.
  Place Raise(Place place);

  // The entry that has waited longest, or null. Valid until the next change.
  const Entry* Oldest() const;
  // How many stand before this one. Costs as much as that.
  std::size_t Before(Place place) const;
  std::size_t size() const { return order_.size(); }
  bool empty() const { return order_.empty(); }

 private:
  using Ages = std::set<std::pair<MonoTime, Place>>;

  Place Insert(Place place, Entry entry);
  Ages& AgesOf(Priority priority) { return ages_[static_cast<std::size_t>(priority)]; }
  // The band whose oldest entry is the oldest of all; the queue is not empty.
  const Ages& OlderAges() const;

  std::map<Place, Entry> order_;
  Ages ages_[2];            // by band
  std::int64_t front_ = 0;  // position of the next entry pushed to the front
  std::int64_t back_ = 1;   // position of the next entry pushed to the back
};

}  // namespace runner::ingest
