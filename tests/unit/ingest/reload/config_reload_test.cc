// The file of --config is read again while the process runs.

#include "ingest/reload/config_reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/config_fixture.h"

namespace runner::ingest {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr const char* kOne = "clusters:\n  - {name: a, endpoint: \"http://a/mcp\"}\n";

class ConfigReloadTest : public ConfigFixture {
 protected:
  void StartWith(const std::string& text) {
    WriteConfig(text);
    const ParseResult parsed = table_.Parse(1, kArguments, Environment());
    ASSERT_THAT(parsed.problems, IsEmpty());
  }
  ReloadedConfig Again(const std::string& text) {
    WriteConfig(text);
    return ReloadConfig(config_, table_, {1, kArguments}, Environment());
  }

  static constexpr const char* kArguments[] = {"program"};
  IngestConfig config_;
  ConfigTable table_ = MakeConfigTable(&config_);
};

TEST_F(ConfigReloadTest, TheClustersAreThoseOfTheFileNow) {
  StartWith(kOne);
  EXPECT_EQ(table_.file_path(), path_);
  EXPECT_TRUE(table_.file_identity().has_value());
  const ReloadedConfig again =
      Again(std::string(kOne) + "  - {name: b, endpoint: \"http://b/mcp\"}\n");
  EXPECT_THAT(again.problems, IsEmpty());
  ASSERT_THAT(again.clusters, SizeIs(2));
  EXPECT_EQ(again.clusters[1].name, "b");
  EXPECT_THAT(again.not_applied, IsEmpty());
  EXPECT_THAT(config_.clusters, SizeIs(1)) << "what the start has read stays";
}

TEST_F(ConfigReloadTest, EveryProblemIsToldAndNothingElse) {
  StartWith(kOne);
  const ReloadedConfig again =
      Again("clusters:\n  - {name: A, endpoint: \"http://a/mcp\"}\n  - {name: b}\nslots: x\n");
  EXPECT_THAT(again.problems, SizeIs(2)) << "slots are none of ours";
  EXPECT_THAT(again.clusters, IsEmpty());
}

TEST_F(ConfigReloadTest, AFileThatIsGoneOrNoYamlOrWithoutClustersIsAProblem) {
  StartWith(kOne);
  EXPECT_THAT(Again("clusters: [").problems, Contains(HasSubstr("is not YAML")));
  EXPECT_THAT(Again("").problems, ElementsAre(HasSubstr("--mcp-endpoint: is required")));
  std::filesystem::remove(path_);
  EXPECT_THAT(ReloadConfig(config_, table_, {1, kArguments}, Environment()).problems,
              Contains(HasSubstr("cannot be read")));
}

TEST_F(ConfigReloadTest, OtherOptionsAreNamedAndNotAppliedToClustersEither) {
  StartWith(std::string(kOne) + "severity_threshold: error\nmcp_mode: poll\n");
  const ReloadedConfig again =
      Again(std::string(kOne) + "severity_threshold: critical\nmax_queue_age: 7\nmcp_mode: poll\n");
  EXPECT_THAT(again.problems, IsEmpty());
  EXPECT_THAT(again.not_applied, UnorderedElementsAre("severity_threshold", "max_queue_age"));
  ASSERT_THAT(again.clusters, SizeIs(1));
  EXPECT_EQ(again.clusters[0].filter.severity_threshold, Severity::kError);
  EXPECT_EQ(again.clusters[0].access.mode, SourceMode::kPoll);
}

TEST_F(ConfigReloadTest, TheOneClusterOfTheOptionsMayChangeToo) {
  StartWith("mcp_endpoint: http://a/mcp\n");
  const ReloadedConfig again = Again("mcp_endpoint: http://b/mcp\n");
  ASSERT_THAT(again.clusters, SizeIs(1));
  EXPECT_EQ(again.clusters[0].endpoint, "http://b/mcp");
  EXPECT_THAT(again.not_applied, IsEmpty());
}

}  // namespace
}  // namespace runner::ingest
