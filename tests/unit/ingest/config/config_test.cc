// The clusters of ingest, and what its options come to.

#include "ingest/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/config_fixture.h"

namespace runner::ingest {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

class IngestConfigTest : public ConfigFixture {
 protected:
  std::vector<std::string> Problems(std::vector<std::string> arguments = {}) {
    config_ = {};
    ConfigTable table = MakeConfigTable(&config_);
    return Parse(table, std::move(arguments)).problems;
  }
  IngestConfig config_;
};

TEST_F(IngestConfigTest, TheClustersOfTheFile) {
  WriteConfig(R"(severity_threshold: error
clusters:
  - name: prod
    endpoint: http://prod:8080/mcp
  - name: dev
    endpoint: https://dev/mcp
    triage: false
    severity_threshold: high
    namespaces: {allow: ["a*"], deny: [kube-*, b]}
    kinds: {deny: [Node]}
    fault_types: {allow: []}
)");
  ASSERT_THAT(Problems(), IsEmpty());
  const SchedulerOptions options = config_.Scheduling();
  ASSERT_THAT(options.clusters, SizeIs(2));
  EXPECT_EQ(options.clusters[0].name, "prod");
  EXPECT_EQ(options.clusters[0].filter.severity_threshold, Severity::kError) << "as all";
  EXPECT_THAT(options.clusters[0].filter.kinds.allow, ElementsAre("*"));
  EXPECT_EQ(config_.clusters[1].endpoint, "https://dev/mcp");
  const FilterRules& dev = options.clusters[1].filter;
  EXPECT_FALSE(dev.triage);
  EXPECT_EQ(dev.severity_threshold, Severity::kError);
  EXPECT_THAT(dev.namespaces.allow, ElementsAre("a*"));
  EXPECT_THAT(dev.namespaces.deny, ElementsAre("kube-*", "b"));
  EXPECT_THAT(dev.kinds.deny, ElementsAre("Node"));
  EXPECT_THAT(dev.fault_types.allow, IsEmpty());
}

TEST_F(IngestConfigTest, WhatIsWrongWithThemIsToldAtOnce) {
  WriteConfig(R"(clusters:
  - name: Prod
    endpoint: http://a:1/mcp
  - name: twice
    endpoint: ftp://a
  - name: twice
    endpoint: http://user:secret@a/mcp
    triag: true
  - endpoint: http://a:1/mcp
    severity_threshold: loud
    kinds: [Pod]
)");
  EXPECT_THAT(Problems(),
              ElementsAre(AllOf(StartsWith(Place(2)), HasSubstr("not a DNS label")),
                          AllOf(StartsWith(Place(5)), HasSubstr("not a URL of http or https")),
                          AllOf(StartsWith(Place(7)), HasSubstr("user name or password"),
                                testing::Not(HasSubstr("secret"))),
                          AllOf(StartsWith(Place(8)), HasSubstr("did you mean triage?")),
                          AllOf(StartsWith(Place(6)), HasSubstr("duplicate name \"twice\"")),
                          AllOf(StartsWith(Place(10)), HasSubstr("severity_threshold")),
                          AllOf(StartsWith(Place(11)), HasSubstr("allow: [...]")),
                          AllOf(StartsWith(Place(9)), HasSubstr("name is required"))));
}

TEST_F(IngestConfigTest, TheFileAndTheOptionsForOneClusterDoNotMix) {
  WriteConfig("clusters:\n  - {name: a, endpoint: \"http://a:1/mcp\"}\n");
  EXPECT_THAT(Problems({"--mcp-endpoint", "http://b:1/mcp"}),
              ElementsAre(HasSubstr("set together with the clusters of the file")));
}

TEST_F(IngestConfigTest, AKeyWithoutAValueIsAsGoodAsNone) {
  WriteConfig("clusters:\n  - {name: , endpoint: ~}\n  - {name: b, endpoint: \"http://a:1\"}\n");
  EXPECT_THAT(Problems(),
              ElementsAre(HasSubstr("name is required"), HasSubstr("endpoint is required")));
}

TEST_F(IngestConfigTest, NamingAClusterDoesNotGoWithTheFileEither) {
  WriteConfig("clusters:\n  - {name: a, endpoint: \"http://a:1/mcp\"}\n");
  EXPECT_THAT(Problems({"--cluster-name", "b"}), ElementsAre(HasSubstr("--cluster-name")));
}

TEST_F(IngestConfigTest, AliasesDoNotMultiplyWhatIsKept) {
  std::string text =
      "clusters:\n  - name: c\n    endpoint: &long http://" + std::string(100'000, 'a') + "\n";
  for (int i = 0; i < 100; ++i) {
    text += "  - {name: c" + std::to_string(i) + ", endpoint: *long}\n";
  }
  WriteConfig(text);
  EXPECT_THAT(Problems(), SizeIs(testing::Ge(101u)));
  for (const ClusterConfig& cluster : config_.clusters) EXPECT_EQ(cluster.endpoint, "");
}

TEST_F(IngestConfigTest, OneClusterFromTheOptionsAlone) {
  environment_.erase("CONFIG_FILE");
  ASSERT_THAT(Problems({"--mcp-endpoint", "http://b:1/mcp", "--cluster-name", "b",
                        "--severity-threshold", "critical"}),
              IsEmpty());
  ASSERT_THAT(config_.clusters, SizeIs(1));
  EXPECT_EQ(config_.clusters[0].name, "b");
  EXPECT_EQ(config_.clusters[0].filter.severity_threshold, Severity::kCritical);
  EXPECT_THAT(Problems(), ElementsAre(HasSubstr("list clusters in the configuration file")));
}

TEST_F(IngestConfigTest, TenThousandClusters) {
  std::string text = "clusters:\n";
  for (int i = 0; i < 10'000; ++i) {
    text += "  - {name: c" + std::to_string(i) + ", endpoint: \"http://a:1/mcp\"}\n";
  }
  WriteConfig(text);
  EXPECT_THAT(Problems(), IsEmpty());
  EXPECT_THAT(config_.clusters, SizeIs(10'000));
}

TEST_F(IngestConfigTest, WhatTheSchedulerIsTold) {
  WriteConfig(R"(mcp_endpoint: http://a:1/mcp
dedup_window: 1m
dedup_window_max: 2h
dedup_key: fault
global_queue_size: 50
max_runs_per_hour: 12
circuit_breaker_threshold: 0
circuit_breaker_cooldown: 5
circuit_breaker_policy: hold
)");
  ASSERT_THAT(Problems(), IsEmpty());
  const SchedulerOptions options = config_.Scheduling();
  EXPECT_EQ(options.dedup.window, std::chrono::minutes(1));
  EXPECT_EQ(options.dedup.window_max, std::chrono::hours(2));
  EXPECT_EQ(options.dedup_key, DedupKey::kFault);
  EXPECT_EQ(options.global_queue_size, 50u);
  EXPECT_EQ(options.max_runs_per_hour, 12u);
  EXPECT_EQ(options.breaker.threshold, 0u);
  EXPECT_EQ(options.breaker.cooldown, std::chrono::seconds(5));
  EXPECT_EQ(options.breaker_policy, BreakerPolicy::kHold);
  EXPECT_THAT(Problems({"--dedup-window", "3h"}),
              ElementsAre(HasSubstr("longer than --dedup-window-max")));
}

}  // namespace
}  // namespace runner::ingest
