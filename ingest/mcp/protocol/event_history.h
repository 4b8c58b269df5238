#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "ingest/mcp/protocol/cluster_event.h"

namespace runner::ingest {

// The events of a cluster beyond one session: which events of a list are new, and since when events
// may have been missed.
//
// A list shows events without id and version. An event is the same as an earlier one if object,
// type, reason, time and count are the same, and the beginning of the message that every list
// shows. Clocks of nodes differ, so a time is part of the identity and never decides by itself what
// is new. Bounded. Belongs to the thread of the connections.
class EventHistory {
 public:
  // Identities that are remembered: those of two full lists.
  static constexpr std::size_t kMaxSeen = 20'000;

  // For polling: the events of a list that no earlier list contained, each once. The first list
  // ever is only the baseline.
  std::vector<ClusterEvent> TakeNew(std::vector<ClusterEvent> listed);

  // For backfill: the events of a list that may have been missed, without those of objects that
  // were pushed meanwhile. Ends the gap. An event with a time up to kMaxSkew before the gap may
  // come from a node whose clock is behind: such an event is missed if its reason is known
  // (known_reasons.h).
  static constexpr std::chrono::minutes kMaxSkew{5};
  std::vector<ClusterEvent> TakeMissed(std::vector<ClusterEvent> listed, WallTime now);

  // No subscription existed from `since` on. The gap lasts until its events are taken.
  void OnGap(WallTime since);
  // The same, but nothing may have been lost: only known faults count as missed.
  void OnSuspectedGap(WallTime since);
  // The events of the gap were delivered after all, or cannot be listed.
  void ForgetGap();
  bool HasGap() const { return gap_since_ || suspected_since_; }

  // Identities that are remembered.
  std::size_t remembered() const { return seen_.size(); }

  // An event about this object was pushed.
  void OnPushed(const Resource& object, WallTime received);

 private:
  bool WasPushed(const ClusterEvent& event, WallTime since) const;
  bool IsMissed(const ClusterEvent& event) const;
  bool See(const ClusterEvent& event);
  void Forget();

  bool polled_ = false;
  std::uint64_t list_ = 0;  // number of the latest list
  std::unordered_map<std::uint64_t, std::uint64_t>
      seen_;  // identity -> latest list that contained it
  std::optional<WallTime> gap_since_;
  std::optional<WallTime> suspected_since_;
  // When, and a hash of the object; oldest first.
  std::deque<std::pair<WallTime, std::uint64_t>> pushed_;
};

}  // namespace runner::ingest
