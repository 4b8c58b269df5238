#include "ingest/mcp/event_history.h"

#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ingest/times.h"

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

TEST(EventHistoryPoll, TheFirstListIsOnlyTheBaseline) {
  EventHistory history;
  EXPECT_THAT(history.TakeNew({Event("a", kNow - hours(1)), Event("b", kNow)}, kNow), IsEmpty());
  EXPECT_THAT(history.TakeNew({Event("a", kNow - hours(1)), Event("b", kNow)}, kNow), IsEmpty());
}

TEST(EventHistoryPoll, WhatIsNewerIsNewsOnce) {
  EventHistory history;
  history.TakeNew({Event("a", kNow)}, kNow);
  const auto later = kNow + seconds(30);
  EXPECT_THAT(Names(history.TakeNew({Event("a", kNow), Event("b", later)}, later)),
              ElementsAre("b"));
  EXPECT_THAT(history.TakeNew({Event("a", kNow), Event("b", later)}, later), IsEmpty());
}

TEST(EventHistoryPoll, WhatHappensAgainIsNewsAgain) {
  EventHistory history;
  history.TakeNew({Event("a", kNow)}, kNow);
  const auto later = kNow + minutes(5);
  EXPECT_THAT(Names(history.TakeNew({Event("a", later)}, later)), ElementsAre("a"));
}

TEST(EventHistoryPoll, AnotherEventOfTheSameSecondIsNews) {
  EventHistory history;
  history.TakeNew({Event("a", kNow)}, kNow);
  EXPECT_THAT(Names(history.TakeNew({Event("a", kNow), Event("b", kNow)}, kNow)), ElementsAre("b"));
}

TEST(EventHistoryPoll, AnEventThatComesLateIsNewsAndAnOldOneIsNot) {
  EventHistory history;
  history.TakeNew({Event("a", kNow)}, kNow);
  EXPECT_THAT(Names(history.TakeNew(
                  {Event("late", kNow - seconds(30)), Event("old", kNow - minutes(10))}, kNow)),
              ElementsAre("late"));
}

TEST(EventHistoryPoll, AnEmptyBaselineIsOneAsWell) {
  EventHistory history;
  EXPECT_THAT(history.TakeNew({}, kNow), IsEmpty());
  EXPECT_THAT(Names(history.TakeNew({Event("a", kNow + seconds(1))}, kNow + seconds(1))),
              ElementsAre("a"));
}

TEST(EventHistoryPoll, AnEmptyBaselineHidesNothingOfAClusterWhoseClockIsSlow) {
  EventHistory history;
  history.TakeNew({}, kNow);
  EXPECT_THAT(Names(history.TakeNew({Event("a", kNow - hours(1))}, kNow + seconds(1))),
              ElementsAre("a"));
}

TEST(EventHistoryPoll, Row24_AnEventFromTheFutureHidesNothing) {
  EventHistory history;
  history.TakeNew({Event("future", kNow + hours(24))}, kNow);
  const auto later = kNow + seconds(30);
  EXPECT_THAT(Names(history.TakeNew({Event("future", kNow + hours(24)), Event("a", later)}, later)),
              ElementsAre("a"));
}

TEST(EventHistoryPoll, EventsWithoutATimeAreToldApartByWhatTheySay) {
  EventHistory history;
  history.TakeNew({Event("a", {})}, kNow);
  EXPECT_THAT(Names(history.TakeNew({Event("a", {}), Event("b", {})}, kNow)), ElementsAre("b"));
  EXPECT_THAT(history.TakeNew({Event("a", {}), Event("b", {})}, kNow), IsEmpty());
}

TEST(EventHistoryPoll, ListsOfTenThousandEventsDoNotGrowIt) {
  EventHistory history;
  std::vector<ClusterEvent> list;
  for (int i = 0; i < 10'000; ++i) list.push_back(Event("p" + std::to_string(i), kNow));
  std::size_t news = 0;
  for (int i = 0; i < 20; ++i) {
    const auto at = kNow + minutes(i);
    for (ClusterEvent& event : list) event.timestamp = at;
    news += history.TakeNew(list, at).size();
  }
  EXPECT_EQ(news, 190'000u);
  EXPECT_LE(history.remembered(), 20'000u);
}

// --- looking back ---------------------------------------------------------------------------

TEST(EventHistoryGap, Row27b_WhatHappenedInItIsMissedOnce) {
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

TEST(EventHistoryGap, TheEarliestLossCounts) {
  EventHistory history;
  history.OnGap(kNow - minutes(9));
  history.OnGap(kNow - minutes(1));
  EXPECT_THAT(Names(history.TakeMissed({Event("a", kNow - minutes(8))}, kNow)), ElementsAre("a"));
}

TEST(EventHistoryGap, WhatWasPushedAboutTheSameObjectIsNoNews) {
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

TEST(EventHistoryGap, ASuspectedOneTakesOnlyWhatIsAFaultForCertain) {
  EventHistory history;
  history.OnSuspectedGap(kNow - minutes(30));
  EXPECT_THAT(Names(history.TakeMissed({Event("probe", kNow - minutes(20), "Unhealthy"),
                                        Event("loop", kNow - minutes(20), "BackOff")},
                                       kNow)),
              ElementsAre("loop"));
}

TEST(EventHistoryGap, WhatFailsAllTheTimeIsNoNewsOfASuspectedOne) {
  EventHistory history;
  Resource object;
  object.kind = "Pod";
  object.name = "chronic";
  object.namespace_ = "shop";
  history.OnPushed(object, kNow - hours(5));
  history.OnSuspectedGap(kNow - minutes(30));
  EXPECT_THAT(history.TakeMissed({Event("chronic", kNow - minutes(1))}, kNow), IsEmpty());
}

TEST(EventHistoryGap, AForgottenGapIsNoGap) {
  EventHistory history;
  history.OnGap(kNow);
  history.OnSuspectedGap(kNow);
  history.ForgetGap();
  EXPECT_FALSE(history.HasGap());
}

TEST(FaultTypes, ReasonsThatAreKnownAreMapped) {
  EXPECT_EQ(FaultTypeOf(Event("a", kNow, "BackOff")), "CrashLoop");
  EXPECT_EQ(FaultTypeOf(Event("a", kNow, "NodeNotReady")), "NodeUnhealthy");
  EXPECT_EQ(FaultTypeOf(Event("a", kNow, "ProgressDeadlineExceeded")), "DeploymentFailure");
  EXPECT_EQ(FaultTypeOf(Event("a", kNow, "BackoffLimitExceeded")), "JobFailure");
  EXPECT_EQ(FaultTypeOf(Event("a", kNow, "Unhealthy")), std::nullopt);
}

}  // namespace
}  // namespace runner::ingest
