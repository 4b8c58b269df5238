#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "ingest/mcp/cluster_event.h"

namespace runner::ingest {

// What is remembered of a cluster's events beyond one session: which of those that a server lists
// are news, and since when events may have been missed.
//
// A list shows events without id and version, with times of a second: two are the same when all
// that they say is the same. Bounded. Belongs to the thread of the connections.
class EventHistory {
 public:
  // For polling: the events of a list that are newer than the lists before. The first list ever is
  // only the baseline. An event that comes up to a minute late is news as well.
  std::vector<ClusterEvent> TakeNew(std::vector<ClusterEvent> listed, WallTime now);

  // For backfill: the events of a list that may have been missed, those of an object that was
  // pushed meanwhile left out. Ends the gap.
  std::vector<ClusterEvent> TakeMissed(std::vector<ClusterEvent> listed, WallTime now);

  // Nobody was subscribed from `since` on. The gap lasts until its events were taken.
  void OnGap(WallTime since);
  // The same, but perhaps everything came: only events that are faults for certain are missed.
  void OnSuspectedGap(WallTime since);
  // Everything of the gap was delivered after all, or cannot be had.
  void ForgetGap();
  bool HasGap() const { return gap_since_ || suspected_since_; }

  // Events that are remembered to tell news by.
  std::size_t remembered() const { return seen_.size(); }

  // An event about this object was pushed.
  void OnPushed(const Resource& object, WallTime received);

 private:
  bool WasPushed(const ClusterEvent& event, WallTime since) const;
  bool IsMissed(const ClusterEvent& event) const;
  void Forget(WallTime before);

  using Identity = std::pair<WallTime, std::uint64_t>;  // when, and a hash of all that it says

  bool polled_ = false;
  std::optional<WallTime> newest_;  // of the polled lists, never in the future
  std::set<Identity> seen_;
  std::set<std::uint64_t> seen_timeless_;  // in the latest list
  std::optional<WallTime> gap_since_;
  std::optional<WallTime> suspected_since_;
  std::deque<Identity> pushed_;  // when, and a hash of the object; oldest first
};

// Whether an event of this reason is one of the faults that a server pushes in mode faults, and the
// name that it has there: CrashLoop for BackOff. Nothing for any other reason.
std::optional<std::string> FaultTypeOf(const ClusterEvent& event);

}  // namespace runner::ingest
