#include "ingest/core/incident_queues.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/support/times.h"

namespace runner::ingest {
namespace {

using ::testing::ElementsAre;

TEST(IncidentQueues, LongestPrefersTheGivenClusterOnATie) {
  IncidentQueues waiting(3);
  EXPECT_EQ(waiting.Longest(1), 1u);
  waiting.PushBack(0, Priority::kNormal, {"a", At(1)});
  EXPECT_EQ(waiting.Longest(1), 0u);
  waiting.PushBack(2, Priority::kNormal, {"b", At(1)});
  EXPECT_EQ(waiting.Longest(0), 0u);
  EXPECT_EQ(waiting.Longest(2), 2u);
  waiting.PushBack(0, Priority::kNormal, {"c", At(1)});
  EXPECT_EQ(waiting.Longest(2), 0u);
  EXPECT_EQ(waiting.size(), 3u);
}

TEST(IncidentQueues, PopWaitingSinceVisitsEveryCluster) {
  IncidentQueues waiting(100);
  for (ClusterIndex i = 0; i < 100; ++i) {
    waiting.PushBack(i, Priority::kNormal,
                     {"incident-" + std::to_string(i), At(static_cast<int>(i))});
  }
  std::vector<std::string> taken;
  while (const auto entry = waiting.PopWaitingSince(At(2))) taken.push_back(entry->incident_id);
  EXPECT_THAT(taken, ElementsAre("incident-0", "incident-1", "incident-2"));
  EXPECT_EQ(waiting.size(), 97u);
}

// A linear model: one list for all clusters.
class WaitingModel {
 public:
  struct Entry {
    std::string id;
    ClusterIndex cluster;
    Priority priority;
    MonoTime since;
  };

  void Push(bool front, Entry entry) {
    entries_.insert(front ? entries_.begin() : entries_.end(), std::move(entry));
  }
  std::string PopFront(ClusterIndex cluster) {
    return Take(std::min_element(entries_.begin(), entries_.end(),
                                 [&](const Entry& a, const Entry& b) {
                                   return Key(a, cluster) < Key(b, cluster);
                                 }),
                cluster);
  }
  std::string PopVictim(ClusterIndex cluster, Priority newcomer) {
    const auto rank = [&](const Entry& e) {
      return std::tuple(e.cluster != cluster, e.priority != Priority::kNormal, e.since);
    };
    const auto victim =
        std::min_element(entries_.begin(), entries_.end(),
                         [&](const Entry& a, const Entry& b) { return rank(a) < rank(b); });
    if (victim == entries_.end() || victim->cluster != cluster) return "";
    if (victim->priority == Priority::kCritical && newcomer == Priority::kNormal) return "";
    return Take(victim, cluster);
  }
  std::vector<std::string> TakeWaitingSince(MonoTime limit) {
    std::vector<std::string> taken;
    std::erase_if(entries_, [&](const Entry& e) {
      if (e.since <= limit) taken.push_back(e.id);
      return e.since <= limit;
    });
    return taken;
  }
  void Raise(const std::string& id) {
    for (Entry& entry : entries_) {
      if (entry.id == id) entry.priority = Priority::kCritical;
    }
  }
  const Entry* Any(std::size_t index) const {
    return entries_.empty() ? nullptr : &entries_[index % entries_.size()];
  }
  std::size_t LengthOf(ClusterIndex cluster) const {
    return static_cast<std::size_t>(std::count_if(
        entries_.begin(), entries_.end(), [&](const Entry& e) { return e.cluster == cluster; }));
  }
  std::size_t size() const { return entries_.size(); }

 private:
  static std::tuple<bool, bool> Key(const Entry& entry, ClusterIndex cluster) {
    return {entry.cluster != cluster, entry.priority != Priority::kCritical};
  }
  std::string Take(std::vector<Entry>::iterator entry, ClusterIndex cluster) {
    if (entry == entries_.end() || entry->cluster != cluster) return "";
    const std::string id = entry->id;
    entries_.erase(entry);
    return id;
  }

  std::vector<Entry> entries_;
};

std::string IdOf(const std::optional<ClusterQueue::Entry>& entry) {
  return entry ? entry->incident_id : "";
}

TEST(IncidentQueues, AgreeWithALinearModel) {
  constexpr std::size_t kClusters = 3;
  const bool holds = rc::check("queues equal model", [] {
    IncidentQueues waiting(kClusters);
    WaitingModel model;
    std::map<std::string, ClusterQueue::Place> places;
    int last = 0;
    const auto steps = *rc::gen::container<std::vector<std::tuple<int, int, int>>>(
        rc::gen::tuple(rc::gen::inRange(0, 10), rc::gen::inRange(0, 60), rc::gen::inRange(0, 12)));
    for (const auto& [what, which, second] : steps) {
      const auto cluster = static_cast<ClusterIndex>(which) % kClusters;
      const Priority priority = which % 2 == 0 ? Priority::kCritical : Priority::kNormal;
      if (what <= 4) {
        const std::string id = std::to_string(++last);
        model.Push(what == 4, {id, cluster, priority, At(second)});
        places[id] = what == 4 ? waiting.PushFront(cluster, priority, {id, At(second)})
                               : waiting.PushBack(cluster, priority, {id, At(second)});
      } else if (what == 5) {
        RC_ASSERT(IdOf(waiting.PopFront(cluster)) == model.PopFront(cluster));
      } else if (what == 6) {
        RC_ASSERT(IdOf(waiting.PopVictim(cluster, priority)) == model.PopVictim(cluster, priority));
      } else if (what == 7) {
        const WaitingModel::Entry* any = model.Any(static_cast<std::size_t>(which));
        if (any == nullptr) continue;
        places[any->id] = waiting.Raise(any->cluster, places[any->id]);
        model.Raise(any->id);
      } else if (what == 8) {
        std::vector<std::string> taken;
        while (const auto e = waiting.PopWaitingSince(At(second))) taken.push_back(e->incident_id);
        std::vector<std::string> expected = model.TakeWaitingSince(At(second));
        std::sort(taken.begin(), taken.end());
        std::sort(expected.begin(), expected.end());
        RC_ASSERT(taken == expected);
      }
      RC_ASSERT(waiting.size() == model.size());
      std::size_t longest = 0;
      for (ClusterIndex i = 0; i < kClusters; ++i) {
        RC_ASSERT(waiting.Of(i).size() == model.LengthOf(i));
        longest = std::max(longest, model.LengthOf(i));
      }
      RC_ASSERT(model.LengthOf(waiting.Longest(cluster)) == longest);
    }
  });
  EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace runner::ingest
