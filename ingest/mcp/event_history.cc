#include "ingest/mcp/event_history.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace runner::ingest {
namespace {

using std::chrono::seconds;

// An event may show up in the list this long after its time: clocks of nodes differ.
constexpr seconds kLate{60};
// Times are cut to the second, and the clock of the cluster is not ours.
constexpr seconds kSlack{5};
constexpr std::size_t kMaxSeen = 20'000;
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

const std::string& NamespaceOf(const ClusterEvent& event) {
  return event.object.namespace_.empty() ? event.namespace_ : event.object.namespace_;
}

std::uint64_t HashOf(const ClusterEvent& event) {
  return Hash({event.object.kind, event.object.name, NamespaceOf(event), event.type, event.reason,
               event.message});
}

}  // namespace

std::vector<ClusterEvent> EventHistory::TakeNew(std::vector<ClusterEvent> listed, WallTime now) {
  const bool baseline = !std::exchange(polled_, true);
  const WallTime oldest_news = newest_ ? *newest_ - kLate : WallTime::min();
  std::vector<ClusterEvent> news;
  std::set<std::uint64_t> timeless;
  for (ClusterEvent& event : listed) {
    const std::uint64_t hash = HashOf(event);
    bool is_news = false;
    if (event.timestamp) {
      is_news = seen_.emplace(*event.timestamp, hash).second && *event.timestamp > oldest_news;
      newest_ = std::max(newest_.value_or(WallTime::min()), std::min(*event.timestamp, now));
    } else {
      is_news = timeless.insert(hash).second && !seen_timeless_.contains(hash);
    }
    if (is_news && !baseline) news.push_back(std::move(event));
  }
  seen_timeless_ = std::move(timeless);
  if (newest_) Forget(*newest_ - kLate);
  return news;
}

std::vector<ClusterEvent> EventHistory::TakeMissed(std::vector<ClusterEvent> listed, WallTime now) {
  const WallTime since =
      std::min(gap_since_.value_or(now), suspected_since_.value_or(now)) - kSlack;
  std::vector<ClusterEvent> missed;
  for (ClusterEvent& event : listed) {
    if (!IsMissed(event)) continue;
    const bool certain = gap_since_ && *event.timestamp >= *gap_since_ - kSlack;
    // What has failed all along was pushed once, and is no news of a gap that is only suspected.
    if (WasPushed(event, certain ? since : WallTime::min())) continue;
    if (!seen_.emplace(*event.timestamp, HashOf(event)).second) continue;
    missed.push_back(std::move(event));
  }
  ForgetGap();
  Forget(now - std::chrono::hours(1));
  return missed;
}

bool EventHistory::IsMissed(const ClusterEvent& event) const {
  if (!event.timestamp || event.type != "Warning") return false;
  if (gap_since_ && *event.timestamp >= *gap_since_ - kSlack) return true;
  return suspected_since_ && *event.timestamp >= *suspected_since_ - kSlack && FaultTypeOf(event);
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
  const std::uint64_t object = Hash({event.object.kind, event.object.name, NamespaceOf(event)});
  return std::any_of(pushed_.begin(), pushed_.end(), [&](const Identity& one) {
    return one.first >= since && one.second == object;
  });
}

void EventHistory::Forget(WallTime before) {
  seen_.erase(seen_.begin(), seen_.lower_bound({before, 0}));
  while (seen_.size() > kMaxSeen) seen_.erase(seen_.begin());
}

std::optional<std::string> FaultTypeOf(const ClusterEvent& event) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 13> kKnown = {{
      {"BackOff", "CrashLoop"},
      {"CrashLoopBackOff", "CrashLoop"},
      {"Failed", "PodCrash"},
      {"OOMKilling", "PodCrash"},
      {"OOMKilled", "PodCrash"},
      {"Error", "PodCrash"},
      {"NodeNotReady", "NodeUnhealthy"},
      {"KubeletNotReady", "NodeUnhealthy"},
      {"ProgressDeadlineExceeded", "DeploymentFailure"},
      {"ReplicaSetCreateError", "DeploymentFailure"},
      {"FailedCreate", "DeploymentFailure"},
      {"BackoffLimitExceeded", "JobFailure"},
      {"DeadlineExceeded", "JobFailure"},
  }};
  for (const auto& [reason, fault_type] : kKnown) {
    if (event.reason == reason) return std::string(fault_type);
  }
  return std::nullopt;
}

}  // namespace runner::ingest
