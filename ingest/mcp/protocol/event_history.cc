#include "ingest/mcp/protocol/event_history.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "ingest/mcp/protocol/known_reasons.h"

namespace runner::ingest {
namespace {

using std::chrono::seconds;

// Times are cut to the second, and the clock of the cluster is not ours.
constexpr seconds kSlack{5};
constexpr std::size_t kMaxPushed = 1'000;

// FNV-1a; every part ends with a NUL, so that parts cannot run into each other.
std::uint64_t Hash(std::initializer_list<std::string_view> parts) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&hash](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3; };
  for (const std::string_view part : parts) {
    for (const char c : part) add(static_cast<unsigned char>(c));
    add(0);
  }
  return hash;
}

std::uint64_t IdentityOf(const ClusterEvent& event) {
  const std::string when =
      event.timestamp ? std::to_string(event.timestamp->time_since_epoch().count()) : "";
  return Hash({event.object.kind, event.object.name, ObjectNamespace(event), event.type,
               event.reason, event.message, when, std::to_string(event.count)});
}

}  // namespace

// True if neither an earlier list nor an earlier entry of this one contained the event.
bool EventHistory::See(const ClusterEvent& event) {
  return seen_.insert_or_assign(IdentityOf(event), list_).second;
}

std::vector<ClusterEvent> EventHistory::TakeNew(std::vector<ClusterEvent> listed) {
  const bool baseline = !std::exchange(polled_, true);
  ++list_;
  std::vector<ClusterEvent> news;
  for (ClusterEvent& event : listed) {
    if (See(event) && !baseline) news.push_back(std::move(event));
  }
  Forget();
  return news;
}

std::vector<ClusterEvent> EventHistory::TakeMissed(std::vector<ClusterEvent> listed, WallTime now) {
  const WallTime since =
      std::min(gap_since_.value_or(now), suspected_since_.value_or(now)) - kSlack;
  ++list_;
  std::vector<ClusterEvent> missed;
  for (ClusterEvent& event : listed) {
    if (!IsMissed(event)) continue;
    const bool certain = gap_since_ && *event.timestamp >= *gap_since_ - kSlack;
    // An object that fails all the time was pushed once; a suspected gap must not repeat it.
    if (WasPushed(event, certain ? since : WallTime::min())) continue;
    if (See(event)) missed.push_back(std::move(event));
  }
  ForgetGap();
  Forget();
  return missed;
}

bool EventHistory::IsMissed(const ClusterEvent& event) const {
  if (!event.timestamp || event.type != "Warning") return false;
  if (gap_since_ && *event.timestamp >= *gap_since_ - kSlack) return true;
  const auto known = KnownFaultOf(event);
  if (!known || !known->pushed) return false;
  return (gap_since_ && *event.timestamp >= *gap_since_ - kMaxSkew) ||
         (suspected_since_ && *event.timestamp >= *suspected_since_ - kSlack);
}

void EventHistory::OnGap(WallTime since) {
  gap_since_ = std::min(gap_since_.value_or(since), since);
}

void EventHistory::OnSuspectedGap(WallTime since) {
  suspected_since_ = std::min(suspected_since_.value_or(since), since);
}

void EventHistory::ForgetGap() {
  gap_since_.reset();
  suspected_since_.reset();
}

void EventHistory::OnPushed(const Resource& object, WallTime received) {
  pushed_.emplace_back(received, Hash({object.kind, object.name, object.namespace_}));
  if (pushed_.size() > kMaxPushed) pushed_.pop_front();
}

bool EventHistory::WasPushed(const ClusterEvent& event, WallTime since) const {
  const std::uint64_t object = Hash({event.object.kind, event.object.name, ObjectNamespace(event)});
  return std::any_of(pushed_.begin(), pushed_.end(),
                     [&](const auto& one) { return one.first >= since && one.second == object; });
}

// Drops the events that were not listed for longest.
void EventHistory::Forget() {
  if (seen_.size() <= kMaxSeen) return;
  std::vector<std::uint64_t> lists;
  lists.reserve(seen_.size());
  for (const auto& [identity, list] : seen_) lists.push_back(list);
  const std::size_t excess = seen_.size() - kMaxSeen;
  std::nth_element(lists.begin(), lists.begin() + static_cast<std::ptrdiff_t>(excess), lists.end());
  const std::uint64_t oldest_kept = lists[excess];
  std::erase_if(seen_, [&](const auto& one) { return one.second < oldest_kept; });
  // One list alone shows no more than the bound.
  for (auto it = seen_.begin(); seen_.size() > kMaxSeen;) {
    it = it->second == oldest_kept ? seen_.erase(it) : std::next(it);
  }
}

}  // namespace runner::ingest
