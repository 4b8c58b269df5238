#include "executor/workspace/agent_environment.h"

#include <cerrno>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace runner::executor {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::Each;
using ::testing::Not;
using ::testing::StartsWith;

class AgentEnvironment : public ::testing::Test {
 protected:
  AgentEnvironment() {
    input_.workspace = "/work/id";
    input_.report_path = "output/investigation.md";
    input_.timeout = 300s;
    incident_.event.cluster = "prod";
    incident_.event.severity = Severity::kError;
  }
  std::vector<std::string> Build() const {
    return BuildAgentEnvironment(input_, {"id", 2}, incident_);
  }

  AgentEnvironmentInput input_;
  Incident incident_;
};

TEST_F(AgentEnvironment, OnlyTheAllowListIsPassed) {
  input_.own = {"PATH=/bin", "LC_ALL=C", "KUBERNETES_SERVICE_HOST=10.0.0.1", "SECRET=x", "HOMER=y"};
  const auto environment = Build();
  EXPECT_THAT(environment, Contains("PATH=/bin"));
  EXPECT_THAT(environment, Contains("LC_ALL=C"));
  EXPECT_THAT(environment, Contains("KUBERNETES_SERVICE_HOST=10.0.0.1"));
  EXPECT_THAT(environment, Each(Not(StartsWith("SECRET="))));
  EXPECT_THAT(environment, Each(Not(StartsWith("HOMER="))));
}

TEST_F(AgentEnvironment, ConfiguredNamesArePassedAndConfiguredValuesSet) {
  input_.own = {"TOKEN=t=1", "PATH=/bin"};
  input_.extra = {"TOKEN", "MISSING", "PATH=/opt", "EMPTY="};
  const auto environment = Build();
  EXPECT_THAT(environment, Contains("TOKEN=t=1"));
  EXPECT_THAT(environment, Contains("PATH=/opt"));
  EXPECT_THAT(environment, Contains("EMPTY="));
  EXPECT_THAT(environment, Each(Not(StartsWith("MISSING"))));
}

TEST_F(AgentEnvironment, RunIsDescribed) {
  incident_.event.resource = {"v1", "Pod", "web-0", "shop", "u"};
  const auto environment = Build();
  EXPECT_THAT(environment, Contains("RUNNER_INCIDENT_ID=id"));
  EXPECT_THAT(environment, Contains("RUNNER_INCIDENT_FILE=/work/id/incident.json"));
  EXPECT_THAT(environment, Contains("RUNNER_REPORT_FILE=/work/id/output/investigation.md"));
  EXPECT_THAT(environment, Contains("RUNNER_SEVERITY=error"));
  EXPECT_THAT(environment, Contains("RUNNER_RESOURCE_NAME=web-0"));
  EXPECT_THAT(environment, Contains("RUNNER_ATTEMPT=2"));
  EXPECT_THAT(environment, Contains("RUNNER_TIMEOUT_SECONDS=300"));
  EXPECT_THAT(environment, Contains("RUNNER_DEADLINE=1970-01-01T00:05:00.000Z"));
}

TEST_F(AgentEnvironment, EventCannotAddOrOverrideVariables) {
  input_.extra = {"RUNNER_CLUSTER=forged"};
  incident_.event.fault_type = std::string("a\0PATH=/evil", 12);
  const auto environment = Build();
  EXPECT_THAT(environment, Contains("RUNNER_CLUSTER=prod"));
  EXPECT_THAT(environment, Contains("RUNNER_FAULT_TYPE=a?PATH=/evil"));
}

TEST_F(AgentEnvironment, KubeconfigIsTheClustersOrAMissingFile) {
  input_.own = {"HOME=/home/operator", "KUBECONFIG=/home/operator/admin.yaml"};
  EXPECT_THAT(Build(), Contains("KUBECONFIG=/work/id/.kubeconfig"));
  input_.extra = {"KUBECONFIG"};
  EXPECT_THAT(Build(), Contains("KUBECONFIG=/home/operator/admin.yaml")) << "as configured";
  input_.kubeconfig = "/etc/kubeconfigs/prod.yaml";
  EXPECT_THAT(Build(), Contains("KUBECONFIG=/etc/kubeconfigs/prod.yaml"));
}

TEST(FindKubeconfig, IsTheFileOfTheCluster) {
  const TemporaryDirectory directory;
  EXPECT_EQ(FindKubeconfig("", "prod").error, 0);
  EXPECT_EQ(FindKubeconfig("", "prod").path, "");
  EXPECT_EQ(FindKubeconfig(directory.path(), "prod").error, ENOENT);
  EXPECT_EQ(FindKubeconfig(directory.path() / "missing", "prod").error, ENOENT);
  directory.Write("prod.yaml", "");
  EXPECT_EQ(FindKubeconfig(directory.path(), "prod").error, 0);
  EXPECT_EQ(FindKubeconfig(directory.path(), "prod").path, directory.path() / "prod.yaml");
}

TEST(FindKubeconfig, AcceptsLinksToFilesAndNoOtherKind) {
  const TemporaryDirectory directory;
  directory.Write("data", "");
  std::filesystem::create_symlink("data", directory.path() / "prod.yaml");
  EXPECT_EQ(FindKubeconfig(directory.path(), "prod").error, 0);
  std::filesystem::create_symlink("nowhere", directory.path() / "stage.yaml");
  EXPECT_EQ(FindKubeconfig(directory.path(), "stage").error, ENOENT);
  std::filesystem::create_directory(directory.path() / "test.yaml");
  EXPECT_NE(FindKubeconfig(directory.path(), "test").error, 0);
}

TEST(FindKubeconfig, AClusterCannotLeadOutOfTheDirectory) {
  const TemporaryDirectory directory;
  directory.Write("prod.yaml", "");
  std::filesystem::create_directory(directory.path() / "inner");
  for (const char* cluster : {"../prod", "inner/../../prod", "", ".", ".prod"}) {
    EXPECT_EQ(FindKubeconfig(directory.path() / "inner", cluster).error, ENOENT) << cluster;
  }
}

}  // namespace
}  // namespace runner::executor
