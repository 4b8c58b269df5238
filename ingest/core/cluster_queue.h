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

// Critical incidents of a cluster precede the others.
enum class Priority { kCritical, kNormal };

inline Priority PriorityOf(Severity severity) {
  return severity == Severity::kCritical ? Priority::kCritical : Priority::kNormal;
}

// The incidents of one cluster that wait for an executor. Critical incidents precede the others;
// within a priority the order is first in, first out. A requeued incident goes to the front of its
// priority.
//
// `waiting_since` is the time from which the age of an entry counts. The age includes waiting only:
// the caller shifts `waiting_since` of a requeued incident by the duration of its lease. The order
// of ages therefore differs from the order of the queue and has an index of its own.
//
// Every operation costs O(log n), except Before. Pure; not thread-safe.
class ClusterQueue {
 public:
  struct Entry {
    std::string incident_id;
    MonoTime waiting_since;
  };

  // The position of an entry. Valid until the entry leaves the queue or is raised.
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
  // Removes the first entry.
  std::optional<Entry> PopFront();
  // Makes room for a newcomer: removes the longest waiting entry of the lowest priority among the
  // queue and the newcomer. Returns nothing if the newcomer is the victim: the queue is empty, or
  // it holds only critical entries and the newcomer is not critical.
  std::optional<Entry> PopVictim(Priority newcomer);
  // Removes the longest waiting entry, if it has waited since `limit` or longer.
  std::optional<Entry> PopWaitingSince(MonoTime limit);
  // Removes the entry at `place`.
  Entry Take(Place place);
  // Makes the entry critical. It keeps its order among the critical entries.
  Place Raise(Place place);

  // The longest waiting entry, or null. Valid until the next change.
  const Entry* Oldest() const;
  // The number of entries before this one. Costs O(that number).
  std::size_t Before(Place place) const;
  std::size_t size() const { return order_.size(); }
  bool empty() const { return order_.empty(); }

 private:
  using Ages = std::set<std::pair<MonoTime, Place>>;

  Place Insert(Place place, Entry entry);
  Ages& AgesOf(Priority priority) { return ages_[static_cast<std::size_t>(priority)]; }
  // The priority that contains the longest waiting entry. The queue must not be empty.
  const Ages& OlderAges() const;

  std::map<Place, Entry> order_;
  Ages ages_[2];            // by priority
  std::int64_t front_ = 0;  // position of the next entry pushed to the front
  std::int64_t back_ = 1;   // position of the next entry pushed to the back
};

}  // namespace runner::ingest
