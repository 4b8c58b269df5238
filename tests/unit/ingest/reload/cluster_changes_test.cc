#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/reload/config_reload.h"

namespace runner::ingest {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ClusterConfig Named(const std::string& name) {
  ClusterConfig cluster;
  cluster.name = name;
  cluster.endpoint = "http://" + name + "/mcp";
  return cluster;
}

TEST(ClusterChanges, ClustersAreComparedByName) {
  const auto changes =
      CompareClusters({Named("a"), Named("b"), Named("c")}, {Named("d"), Named("c"), Named("a")});
  EXPECT_THAT(changes.added, ElementsAre("d"));
  EXPECT_THAT(changes.removed, ElementsAre("b"));
  EXPECT_THAT(changes.changed, IsEmpty());
  EXPECT_THAT(changes.reconnect, IsEmpty());
}

TEST(ClusterChanges, ChangedAccessNeedsANewSession) {
  const std::vector<std::function<void(ClusterConfig&)>> edits = {
      [](auto& c) { c.endpoint += "2"; },
      [](auto& c) { c.access.mode = SourceMode::kPoll; },
      [](auto& c) { c.access.transport = Transport::kSse; },
      [](auto& c) { c.access.token_file = "/token"; },
      [](auto& c) { c.access.tls.ca = "/ca"; },
      [](auto& c) { c.access.tls.certificate = "/cert"; },
      [](auto& c) { c.access.tls.key = "/key"; },
      [](auto& c) { c.access.headers = {{"X-Team", "sre"}}; },
  };
  for (const auto& edit : edits) {
    ClusterConfig other = Named("a");
    edit(other);
    const auto changes = CompareClusters({Named("a"), Named("b")}, {other, Named("b")});
    EXPECT_THAT(changes.changed, ElementsAre("a"));
    EXPECT_THAT(changes.reconnect, ElementsAre("a"));
  }
}

TEST(ClusterChanges, ChangedFilterKeepsTheSession) {
  const std::vector<std::function<void(FilterRules&)>> edits = {
      [](auto& rules) { rules.triage = false; },
      [](auto& rules) { rules.severity_threshold = Severity::kCritical; },
      [](auto& rules) { rules.namespaces.deny = {"kube-*"}; },
      [](auto& rules) { rules.kinds.allow = {"Pod"}; },
      [](auto& rules) { rules.fault_types.allow = {}; },
  };
  for (const auto& edit : edits) {
    ClusterConfig other = Named("a");
    edit(other.filter);
    const auto changes = CompareClusters({Named("a"), Named("b")}, {other, Named("b")});
    EXPECT_THAT(changes.changed, ElementsAre("a"));
    EXPECT_THAT(changes.reconnect, IsEmpty());
  }
}

}  // namespace
}  // namespace runner::ingest
