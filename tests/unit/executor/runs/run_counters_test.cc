#include "executor/runs/run_counters.h"

#include <gtest/gtest.h>

namespace runner::executor {
namespace {

Outcome Ended(RunStatus status) {
  Outcome outcome;
  outcome.status = status;
  outcome.duration = std::chrono::seconds(7);
  outcome.orphans_killed = 2;
  return outcome;
}

TEST(RunCounters, FinishedRunsMoveFromActiveToTheirStatus) {
  RunCounters counters;
  counters.Started("a");
  counters.Started("a");
  counters.Finished("a", Ended(RunStatus::kTimeout), 100);
  const ClusterRunCounters& a = counters.clusters().at("a");
  EXPECT_EQ(a.spawned, 2u);
  EXPECT_EQ(a.active, 1u);
  EXPECT_EQ(a.timeouts, 1u);
  EXPECT_EQ(a.orphans_killed, 2u);
  EXPECT_EQ(a.output_dropped_bytes, 100u);
  const auto timeout = static_cast<std::size_t>(RunStatus::kTimeout);
  EXPECT_EQ(a.completed[timeout], 1u);
  EXPECT_EQ(a.duration[timeout].Counts()[2], 1u) << "between 5 and 10 seconds";
}

TEST(RunCounters, ClustersBeyondTheBoundCountAsOther) {
  RunCounters counters;
  for (std::size_t i = 0; i < RunCounters::kMaxClusters + 10; ++i) {
    counters.Started("cluster-" + std::to_string(i));
  }
  EXPECT_EQ(counters.clusters().size(), RunCounters::kMaxClusters + 1);
  EXPECT_EQ(counters.clusters().at("other").active, 10u);
  counters.Finished("cluster-1005", Ended(RunStatus::kSuccess), 0);
  EXPECT_EQ(counters.clusters().at("other").active, 9u);
}

}  // namespace
}  // namespace runner::executor
