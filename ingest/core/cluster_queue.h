#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"

namespace runner::ingest {

// The incidents of one cluster that wait for an executor: first in, first out, except that what
// comes back from an executor goes to the front.
//
// `waiting_since` is the moment from which the age of an entry counts. Age counts waiting only, so
// an incident that comes back has a moment shifted by the time it was away; the order of ages is
// therefore not the order of the queue, and has an index of its own.
//
// Every operation costs O(log n); an expiry sweep costs in proportion to what expires. Pure; not
// thread-safe.
class ClusterQueue {
 public:
  struct Entry {
    std::string incident_id;
    MonoTime waiting_since;
  };

  void PushBack(Entry entry);
  void PushFront(Entry entry);
  // The entry whose turn it is.
  std::optional<Entry> PopFront();
  // The entry that has waited longest: the victim of an overflow.
  std::optional<Entry> PopOldest();
  // Removes what has waited since `limit` or longer, oldest first.
  std::vector<Entry> TakeWaitingSince(MonoTime limit);

  // The entry that has waited longest, or null. Valid until the next change.
  const Entry* Oldest() const;
  std::size_t size() const { return order_.size(); }
  bool empty() const { return order_.empty(); }

 private:
  using Position = std::int64_t;

  void Insert(Position position, Entry entry);
  Entry Take(Position position);

  std::map<Position, Entry> order_;
  std::set<std::pair<MonoTime, Position>> by_age_;
  Position front_ = 0;  // position of the next entry pushed to the front
  Position back_ = 1;   // position of the next entry pushed to the back
};

}  // namespace runner::ingest
