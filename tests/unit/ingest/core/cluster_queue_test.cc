#include "ingest/core/cluster_queue.h"

#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/times.h"

namespace runner::ingest {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Drain(ClusterQueue& queue) {
  std::vector<std::string> ids;
  while (auto entry = queue.PopFront()) ids.push_back(entry->incident_id);
  return ids;
}

TEST(ClusterQueue, AnEmptyQueueReturnsNothing) {
  ClusterQueue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.Oldest(), nullptr);
  EXPECT_FALSE(queue.PopFront());
  EXPECT_FALSE(queue.PopVictim(Priority::kCritical));
  EXPECT_FALSE(queue.PopVictim(Priority::kNormal));
  EXPECT_FALSE(queue.PopWaitingSince(At(100)));
}

TEST(ClusterQueue, IsFirstInFirstOutExceptForPushFront) {
  ClusterQueue queue;
  queue.PushBack(Priority::kNormal, {"a", At(1)});
  queue.PushBack(Priority::kNormal, {"b", At(2)});
  queue.PushFront(Priority::kNormal, {"c", At(9)});
  queue.PushFront(Priority::kNormal, {"d", At(8)});
  EXPECT_EQ(queue.size(), 4u);
  EXPECT_THAT(Drain(queue), ElementsAre("d", "c", "a", "b"));
  EXPECT_TRUE(queue.empty());
}

TEST(ClusterQueue, CriticalEntriesPrecedeOthers) {
  ClusterQueue queue;
  queue.PushFront(Priority::kNormal, {"normal", At(1)});
  queue.PushBack(Priority::kCritical, {"first", At(2)});
  queue.PushBack(Priority::kCritical, {"second", At(3)});
  queue.PushFront(Priority::kNormal, {"again", At(1)});
  EXPECT_THAT(Drain(queue), ElementsAre("first", "second", "again", "normal"));
}

TEST(ClusterQueue, ARaisedEntryKeepsItsOrder) {
  ClusterQueue queue;
  queue.PushBack(Priority::kCritical, {"before", At(1)});
  const ClusterQueue::Place place = queue.PushBack(Priority::kNormal, {"raised", At(2)});
  queue.PushBack(Priority::kCritical, {"after", At(3)});
  const ClusterQueue::Place raised = queue.Raise(place);
  EXPECT_EQ(queue.Raise(raised), raised) << "a second time changes nothing";
  EXPECT_THAT(Drain(queue), ElementsAre("before", "raised", "after"));
}

TEST(ClusterQueue, OldestIsTheLongestWaiting) {
  ClusterQueue queue;
  queue.PushBack(Priority::kNormal, {"a", At(5)});
  queue.PushFront(Priority::kNormal, {"young", At(7)});
  queue.PushBack(Priority::kCritical, {"old", At(1)});
  EXPECT_EQ(queue.Oldest()->incident_id, "old");
}

TEST(ClusterQueue, TheVictimIsTheOldestOfTheLowerPriority) {
  ClusterQueue queue;
  queue.PushBack(Priority::kCritical, {"critical", At(1)});
  queue.PushBack(Priority::kNormal, {"young", At(7)});
  queue.PushBack(Priority::kNormal, {"old", At(5)});
  EXPECT_EQ(queue.PopVictim(Priority::kCritical)->incident_id, "old");
  EXPECT_EQ(queue.PopVictim(Priority::kNormal)->incident_id, "young");
  EXPECT_FALSE(queue.PopVictim(Priority::kNormal)) << "the newcomer itself is lower";
  EXPECT_EQ(queue.PopVictim(Priority::kCritical)->incident_id, "critical");
}

TEST(ClusterQueue, KeepsEntriesOfEqualAge) {
  ClusterQueue queue;
  queue.PushBack(Priority::kNormal, {"a", At(1)});
  queue.PushBack(Priority::kNormal, {"b", At(1)});
  EXPECT_EQ(queue.PopWaitingSince(At(1))->incident_id, "a");
  EXPECT_EQ(queue.PopWaitingSince(At(1))->incident_id, "b");
}

TEST(ClusterQueue, PopsOverAgeEntriesOldestFirst) {
  ClusterQueue queue;
  queue.PushBack(Priority::kNormal, {"c", At(3)});
  queue.PushBack(Priority::kCritical, {"a", At(1)});
  queue.PushBack(Priority::kNormal, {"d", At(4)});
  queue.PushFront(Priority::kCritical, {"b", At(2)});
  for (const char* id : {"a", "b", "c"}) {
    EXPECT_EQ(queue.PopWaitingSince(At(3))->incident_id, id);
  }
  EXPECT_FALSE(queue.PopWaitingSince(At(3)));
  EXPECT_THAT(Drain(queue), ElementsAre("d"));
}

}  // namespace
}  // namespace runner::ingest
