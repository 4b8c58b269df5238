#include "ingest/core/cluster_queue.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace runner::ingest {
namespace {

using ::testing::ElementsAre;

MonoTime At(int second) { return MonoTime(std::chrono::seconds(second)); }

std::vector<std::string> Drain(ClusterQueue& queue) {
  std::vector<std::string> ids;
  while (auto entry = queue.PopFront()) ids.push_back(entry->incident_id);
  return ids;
}

std::vector<std::string> Ids(const std::vector<ClusterQueue::Entry>& entries) {
  std::vector<std::string> ids;
  for (const auto& entry : entries) ids.push_back(entry.incident_id);
  return ids;
}

TEST(ClusterQueue, EmptyQueueHasNothing) {
  ClusterQueue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.Oldest(), nullptr);
  EXPECT_FALSE(queue.PopFront());
  EXPECT_FALSE(queue.PopOldest());
  EXPECT_TRUE(queue.TakeWaitingSince(At(100)).empty());
}

TEST(ClusterQueue, FirstInFirstOutAndTheFrontGoesFirst) {
  ClusterQueue queue;
  queue.PushBack({"a", At(1)});
  queue.PushBack({"b", At(2)});
  queue.PushFront({"c", At(9)});
  queue.PushFront({"d", At(8)});
  EXPECT_EQ(queue.size(), 4u);
  EXPECT_THAT(Drain(queue), ElementsAre("d", "c", "a", "b"));
  EXPECT_TRUE(queue.empty());
}

TEST(ClusterQueue, OldestIsByAgeNotByPosition) {
  ClusterQueue queue;
  queue.PushBack({"a", At(5)});
  queue.PushFront({"young", At(7)});
  queue.PushBack({"old", At(1)});
  EXPECT_EQ(queue.Oldest()->incident_id, "old");
  EXPECT_EQ(queue.PopOldest()->incident_id, "old");
  EXPECT_EQ(queue.PopOldest()->incident_id, "a");
  EXPECT_THAT(Drain(queue), ElementsAre("young"));
}

TEST(ClusterQueue, EntriesOfOneAgeAllCount) {
  ClusterQueue queue;
  queue.PushBack({"a", At(1)});
  queue.PushBack({"b", At(1)});
  EXPECT_THAT(Ids(queue.TakeWaitingSince(At(1))), ElementsAre("a", "b"));
}

TEST(ClusterQueue, TakesWhatWaitsSinceTheLimitOrLongerOldestFirst) {
  ClusterQueue queue;
  queue.PushBack({"c", At(3)});
  queue.PushBack({"a", At(1)});
  queue.PushBack({"d", At(4)});
  queue.PushFront({"b", At(2)});
  EXPECT_THAT(Ids(queue.TakeWaitingSince(At(3))), ElementsAre("a", "b", "c"));
  EXPECT_THAT(Drain(queue), ElementsAre("d"));
}

TEST(ClusterQueue, BehavesLikeAListSearchedFromEndToEnd) {
  const bool holds = rc::check("queue equals model", [] {
    ClusterQueue queue;
    std::vector<ClusterQueue::Entry> model;
    const auto by_age = [](const auto& a, const auto& b) {
      return a.waiting_since < b.waiting_since;
    };
    int last = 0;
    const auto steps = *rc::gen::container<std::vector<std::pair<int, int>>>(
        rc::gen::pair(rc::gen::inRange(0, 7), rc::gen::inRange(0, 10)));
    for (const auto& [step, second] : steps) {
      if (step <= 2) {
        const ClusterQueue::Entry entry{std::to_string(++last), At(second)};
        model.push_back(entry);
        queue.PushBack(entry);
      } else if (step == 3) {
        const ClusterQueue::Entry entry{std::to_string(++last), At(second)};
        model.insert(model.begin(), entry);
        queue.PushFront(entry);
      } else if (step == 4) {
        const auto popped = queue.PopFront();
        RC_ASSERT(popped.has_value() == !model.empty());
        if (!popped) continue;
        RC_ASSERT(popped->incident_id == model.front().incident_id);
        model.erase(model.begin());
      } else if (step == 5) {
        const auto popped = queue.PopOldest();
        RC_ASSERT(popped.has_value() == !model.empty());
        if (!popped) continue;
        const auto oldest = std::min_element(model.begin(), model.end(), by_age);
        RC_ASSERT(popped->incident_id == oldest->incident_id);
        model.erase(oldest);
      } else {
        const std::size_t removed = std::erase_if(
            model, [limit = At(second)](const auto& e) { return e.waiting_since <= limit; });
        RC_ASSERT(queue.TakeWaitingSince(At(second)).size() == removed);
      }
      RC_ASSERT(queue.size() == model.size());
    }
  });
  EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace runner::ingest
