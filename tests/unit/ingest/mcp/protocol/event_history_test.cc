#include "ingest/mcp/protocol/event_history.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/support/times.h"

namespace runner::ingest {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

ClusterEvent Event(const std::string& name, std::optional<WallTime> at,
                   const std::string& reason = "BackOff") {
  ClusterEvent event;
  event.type = "Warning";
  event.reason = reason;
  event.message = "it broke";
  event.namespace_ = "shop";
  event.timestamp = at;
  event.object.kind = "Pod";
  event.object.name = name;
  return event;
}

std::vector<std::string> Names(const std::vector<ClusterEvent>& events) {
  std::vector<std::string> names;
  for (const ClusterEvent& event : events) names.push_back(event.object.name);
  return names;
}

// --- polling --------------------------------------------------------------------------------

TEST(EventHistoryPoll, FirstListIsOnlyTheBaseline) {
  EventHistory history;
  EXPECT_THAT(history.TakeNew({Event("a", kNow - hours(1)), Event("b", kNow)}), IsEmpty());
  EXPECT_THAT(history.TakeNew({Event("a", kNow - hours(1)), Event("b", kNow)}), IsEmpty());
}

TEST(EventHistoryPoll, NewEventIsTakenOnce) {
  EventHistory history;
  history.TakeNew({Event("a", kNow)});
  const auto later = kNow + seconds(30);
  EXPECT_THAT(Names(history.TakeNew({Event("a", kNow), Event("b", later)})), ElementsAre("b"));
  EXPECT_THAT(history.TakeNew({Event("a", kNow), Event("b", later)}), IsEmpty());
}

TEST(EventHistoryPoll, RecurrenceIsANewEvent) {
  EventHistory history;
  history.TakeNew({Event("a", kNow)});
  const auto later = kNow + minutes(5);
  EXPECT_THAT(Names(history.TakeNew({Event("a", later)})), ElementsAre("a"));
}

TEST(EventHistoryPoll, AnotherEventOfTheSameSecondIsNew) {
  EventHistory history;
  history.TakeNew({Event("a", kNow)});
  EXPECT_THAT(Names(history.TakeNew({Event("a", kNow), Event("b", kNow)})), ElementsAre("b"));
}

TEST(EventHistoryPoll, EventOfANodeWithASlowClockIsNewOnce) {
  for (const auto behind : {seconds(30), seconds(90), seconds(600), seconds(86'400)}) {
    EventHistory history;
    history.TakeNew({Event("a", kNow)});
    const std::vector<ClusterEvent> list = {Event("a", kNow), Event("slow", kNow - behind)};
    EXPECT_THAT(Names(history.TakeNew(list)), ElementsAre("slow")) << behind.count();
    EXPECT_THAT(history.TakeNew(list), IsEmpty()) << behind.count();
  }
}

TEST(EventHistoryPoll, SeriesIsNewWithEachCount) {
  EventHistory history;
  ClusterEvent series = Event("a", kNow);
  series.count = 1;
  history.TakeNew({series});
  for (int i = 0; i < 3; ++i) {
    ++series.count;
    EXPECT_THAT(Names(history.TakeNew({series})), ElementsAre("a"));
    EXPECT_THAT(history.TakeNew({series}), IsEmpty());
  }
}

TEST(EventHistoryPoll, EventMissingFromOneListIsNotNewInTheNext) {
  EventHistory history;
  history.TakeNew({Event("a", kNow), Event("b", kNow)});
  history.TakeNew({Event("b", kNow)});
  history.TakeNew({});
  EXPECT_THAT(history.TakeNew({Event("a", kNow), Event("b", kNow)}), IsEmpty());
}

TEST(EventHistoryPoll, EntryThatIsListedTwiceIsOneEvent) {
  EventHistory history;
  history.TakeNew({});
  EXPECT_THAT(Names(history.TakeNew({Event("a", kNow), Event("a", kNow)})), ElementsAre("a"));
}

// Lists are any part of what has happened so far, in any order; times are whatever clocks say.
TEST(EventHistoryPoll, EveryEntryIsNewOnceInAnyOrderWithAnyClock) {
  const bool holds = rc::check("random lists", [] {
    EventHistory history;
    std::vector<ClusterEvent> all;
    std::vector<int> taken;
    const auto happen = [&](std::size_t count) {
      for (std::size_t i = 0; i < count; ++i) {
        const auto skew = *rc::gen::inRange(-86'400, 86'400);
        const bool has_time = *rc::gen::inRange(0, 10) > 0;
        const auto time = kNow + seconds(has_time ? skew : 0);
        ClusterEvent event = Event("p" + std::to_string(*rc::gen::inRange(0, 4)),
                                   has_time ? std::optional<WallTime>(time) : std::nullopt);
        event.count = *rc::gen::inRange<std::uint64_t>(0, 4);
        const auto same = [&](const ClusterEvent& other) {
          return other.object == event.object && other.timestamp == event.timestamp &&
                 other.count == event.count;
        };
        if (std::any_of(all.begin(), all.end(), same)) continue;
        all.push_back(event);
        taken.push_back(0);
      }
    };
    const auto list = [&] {
      std::vector<ClusterEvent> listed;
      for (const ClusterEvent& event : all) {
        if (*rc::gen::inRange(0, 4) > 0) listed.push_back(event);
      }
      std::reverse(listed.begin(), listed.begin() + static_cast<std::ptrdiff_t>(listed.size() / 2));
      return listed;
    };
    const auto index = [&](const ClusterEvent& event) {
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].object == event.object && all[i].timestamp == event.timestamp &&
            all[i].count == event.count) {
          return i;
        }
      }
      return all.size();
    };
    happen(*rc::gen::inRange<std::size_t>(0, 10));
    const std::vector<ClusterEvent> baseline = list();
    RC_ASSERT(history.TakeNew(baseline).empty());
    for (const ClusterEvent& event : baseline) taken[index(event)] = 1;
    const int lists = *rc::gen::inRange(1, 8);
    for (int i = 0; i <= lists; ++i) {
      happen(*rc::gen::inRange<std::size_t>(0, 6));
      for (const ClusterEvent& event : history.TakeNew(i == lists ? all : list())) {
        ++taken[index(event)];
      }
    }
    for (const int times : taken) RC_ASSERT(times == 1);
  });
  EXPECT_TRUE(holds);
}

TEST(EventHistoryPoll, EmptyFirstListIsABaseline) {
  EventHistory history;
  EXPECT_THAT(history.TakeNew({}), IsEmpty());
  EXPECT_THAT(Names(history.TakeNew({Event("a", kNow + seconds(1))})), ElementsAre("a"));
}

TEST(EventHistoryPoll, EmptyBaselineHidesNoEventOfASlowClock) {
  EventHistory history;
  history.TakeNew({});
  EXPECT_THAT(Names(history.TakeNew({Event("a", kNow - hours(1))})), ElementsAre("a"));
}

TEST(EventHistoryPoll, EventFromTheFutureHidesNoOther) {
  EventHistory history;
  history.TakeNew({Event("future", kNow + hours(24))});
  const auto later = kNow + seconds(30);
  EXPECT_THAT(Names(history.TakeNew({Event("future", kNow + hours(24)), Event("a", later)})),
              ElementsAre("a"));
}

TEST(EventHistoryPoll, EventsWithoutATimeDifferByTheirMessage) {
  EventHistory history;
  history.TakeNew({Event("a", {})});
  EXPECT_THAT(Names(history.TakeNew({Event("a", {}), Event("b", {})})), ElementsAre("b"));
  EXPECT_THAT(history.TakeNew({Event("a", {}), Event("b", {})}), IsEmpty());
}

TEST(EventHistoryPoll, ListsOfTenThousandEventsKeepTheHistoryBounded) {
  EventHistory history;
  std::vector<ClusterEvent> list;
  for (int i = 0; i < 10'000; ++i) list.push_back(Event("p" + std::to_string(i), kNow));
  std::size_t news = 0;
  for (int i = 0; i < 20; ++i) {
    const auto at = kNow + minutes(i);
    for (ClusterEvent& event : list) event.timestamp = at;
    news += history.TakeNew(list).size();
  }
  EXPECT_EQ(news, 190'000u);
  EXPECT_LE(history.remembered(), 20'000u);
}

// --- looking back ---------------------------------------------------------------------------

TEST(EventHistoryGap, EventInsideAGapIsMissedOnce) {
  EventHistory history;
  history.OnGap(kNow - minutes(2));
  const std::vector<ClusterEvent> list = {Event("before", kNow - minutes(10)),
                                          Event("inside", kNow - minutes(1))};
  EXPECT_TRUE(history.HasGap());
  EXPECT_THAT(Names(history.TakeMissed(list, kNow)), ElementsAre("inside"));
  EXPECT_FALSE(history.HasGap());
  history.OnGap(kNow - minutes(2));
  EXPECT_THAT(history.TakeMissed(list, kNow), IsEmpty());
}

TEST(EventHistoryGap, EarliestLossCounts) {
  EventHistory history;
  history.OnGap(kNow - minutes(9));
  history.OnGap(kNow - minutes(1));
  EXPECT_THAT(Names(history.TakeMissed({Event("a", kNow - minutes(8))}, kNow)), ElementsAre("a"));
}

TEST(EventHistoryGap, EventOfAPushedObjectIsNotMissed) {
  EventHistory history;
  Resource object;
  object.kind = "Pod";
  object.name = "pushed";
  object.namespace_ = "shop";
  object.uid = "the list does not tell it";
  history.OnPushed(object, kNow - minutes(1));
  history.OnGap(kNow - minutes(2));
  EXPECT_THAT(Names(history.TakeMissed(
                  {Event("pushed", kNow - minutes(1)), Event("other", kNow - minutes(1))}, kNow)),
              ElementsAre("other"));
}

TEST(EventHistoryGap, OnlyWarningsWithATimeAreMissed) {
  EventHistory history;
  history.OnGap(kNow - minutes(2));
  ClusterEvent normal = Event("normal", kNow);
  normal.type = "Normal";
  EXPECT_THAT(history.TakeMissed({normal, Event("timeless", {})}, kNow), IsEmpty());
}

TEST(EventHistoryGap, SuspectedGapTakesOnlyKnownFaults) {
  EventHistory history;
  history.OnSuspectedGap(kNow - minutes(30));
  EXPECT_THAT(Names(history.TakeMissed({Event("probe", kNow - minutes(20), "Unhealthy"),
                                        Event("loop", kNow - minutes(20), "BackOff")},
                                       kNow)),
              ElementsAre("loop"));
}

TEST(EventHistoryGap, SuspectedGapSkipsObjectsThatWerePushedBefore) {
  EventHistory history;
  Resource object;
  object.kind = "Pod";
  object.name = "chronic";
  object.namespace_ = "shop";
  history.OnPushed(object, kNow - hours(5));
  history.OnSuspectedGap(kNow - minutes(30));
  EXPECT_THAT(history.TakeMissed({Event("chronic", kNow - minutes(1))}, kNow), IsEmpty());
}

TEST(EventHistoryGap, ForgottenGapIsClosed) {
  EventHistory history;
  history.OnGap(kNow);
  history.OnSuspectedGap(kNow);
  history.ForgetGap();
  EXPECT_FALSE(history.HasGap());
}

TEST(EventHistoryGap, KnownFaultOfANodeWithASlowClockIsMissed) {
  EventHistory history;
  history.OnGap(kNow - minutes(2));
  EXPECT_THAT(Names(history.TakeMissed({Event("slow", kNow - minutes(2) - seconds(90)),
                                        Event("noise", kNow - minutes(3), "Unhealthy"),
                                        Event("before", kNow - minutes(20))},
                                       kNow)),
              ElementsAre("slow"));
}

TEST(EventHistoryGap, FaultPushedShortlyBeforeTheGapIsNotMissed) {
  EventHistory history;
  Resource object;
  object.kind = "Node";
  object.name = "node-1";
  history.OnPushed(object, kNow - minutes(4));
  history.OnGap(kNow - minutes(2));
  ClusterEvent listed = Event("node-1", kNow - minutes(4), "NodeNotReady");
  listed.object.kind = "Node";
  listed.namespace_ = "default";
  EXPECT_THAT(history.TakeMissed({listed}, kNow), IsEmpty());
}

}  // namespace
}  // namespace runner::ingest
