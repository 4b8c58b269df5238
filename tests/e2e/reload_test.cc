// Clusters are added, removed and changed at run time: by SIGHUP, and by the swap of a ConfigMap.

#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr const char* kRefusing = "http://127.0.0.1:9/mcp";
const json kNone = json::array();

std::string ClusterLine(const std::string& name, const std::string& endpoint,
                        const std::string& more = "") {
  return "  - {name: " + name + ", endpoint: \"" + endpoint + "\"" + more + "}\n";
}

class ReloadTest : public SystemTest {
 protected:
  // The file that StartIngestAt writes.
  std::filesystem::path File() const { return system_->directory() / "ingest.yaml"; }
  void WriteClusters(const std::string& lines) { WriteFile(File(), "clusters:\n" + lines); }
  void Hangup() { system_->ingest().process().Signal(SIGHUP); }
  void AwaitReload(const json& fields) {
    ASSERT_TRUE(
        Eventually([&] { return system_->ingest().log().Has("Clusters reloaded", fields); }));
  }
  std::vector<std::string> Listed() {
    std::vector<std::string> names;
    for (const auto& cluster : system_->Admin().Clusters()) names.push_back(cluster.name());
    return names;
  }
  grpc::StatusCode Submission(const std::string& cluster) {
    v1::SubmitEventResponse response;
    return system_->Admin()
        .Submit(System::Event("web-0", "error", cluster), &response)
        .error_code();
  }
};

// With MCP servers that list their sessions.
class ReloadSessionTest : public ReloadTest {
 protected:
  void SetUp() override {
    RUNNER_SKIP_IF_MISSING(FaultServer::Missing());
    SystemTest::SetUp();
  }
  void TearDown() override {
    for (const auto& server : servers_) {
      server->process().Terminate();
      EXPECT_TRUE(server->process().WaitForExit(kRpcTimeout));
    }
    servers_.clear();
    SystemTest::TearDown();
  }

  FaultServer& AddServer() {
    const auto directory = system_->directory() / ("server-" + std::to_string(servers_.size()));
    std::filesystem::create_directory(directory);
    servers_.push_back(std::make_unique<FaultServer>(directory));
    return *servers_.back();
  }
  static std::vector<std::string> Sessions(FaultServer& server) {
    const json sessions = server.State().at("sessions");
    std::vector<std::string> ids;
    for (const json& session : sessions) ids.push_back(session.at("id"));
    return ids;
  }
  void AwaitActive(const std::string& cluster) {
    ASSERT_TRUE(Eventually([&] {
      return system_->ingest().Metrics().Sum("sse_connections_active", {{"cluster", cluster}}) == 1;
    })) << cluster;
  }
  // Expects a fault of this server to arrive for this cluster.
  void ExpectHeard(FaultServer& server, const std::string& cluster) {
    const std::string id = cluster + "-" + std::to_string(++faults_);
    ASSERT_TRUE(Eventually([&] { return server.Subscribed() == 1; })) << cluster;
    const json fault = {
        {"faultId", id}, {"severity", "error"}, {"resource", {{"name", id}, {"uid", id}}}};
    ASSERT_EQ(server.Push(fault), 1);
    EXPECT_TRUE(Eventually([&] {
      return system_->ingest().log().Has("Event received",
                                         {{"event_id", id}, {"cluster", cluster}});
    })) << id;
  }

 private:
  std::vector<std::unique_ptr<FaultServer>> servers_;
  int faults_ = 0;
};

TEST_F(ReloadSessionTest, SighupAddsChangesAndRemovesOnlyTheChangedClusters) {
  FaultServer& a = AddServer();
  FaultServer& b = AddServer();
  FaultServer& c = AddServer();
  FaultServer& d = AddServer();
  system_->StartIngestAt(
      {{"stays", a.endpoint()}, {"moves", b.endpoint()}, {"goes", c.endpoint()}});
  for (const char* cluster : {"stays", "moves", "goes"}) AwaitActive(cluster);
  const auto session = Sessions(a);
  ASSERT_THAT(session, SizeIs(1));
  const auto requests = a.State().at("requests").size();

  WriteClusters(ClusterLine("comes", c.endpoint()) + ClusterLine("moves", d.endpoint()) +
                ClusterLine("stays", a.endpoint()));
  Hangup();
  AwaitReload({{"level", "info"},
               {"added", {"comes"}},
               {"removed", {"goes"}},
               {"changed", {"moves"}},
               {"clusters", 3}});
  AwaitActive("comes");
  AwaitActive("moves");
  ExpectHeard(a, "stays");
  ExpectHeard(c, "comes");
  ExpectHeard(d, "moves");

  EXPECT_EQ(Sessions(a), session) << "other clusters keep their sessions";
  EXPECT_EQ(a.State().at("requests").size(), requests);
  EXPECT_TRUE(Eventually([&] { return Sessions(b).empty(); }))
      << "a changed cluster deletes its session";
  EXPECT_THAT(Sessions(c), SizeIs(1)) << "a removed cluster deletes its session";
  EXPECT_THAT(Listed(), UnorderedElementsAre("comes", "moves", "stays"));
  const MetricsText scrape = system_->ingest().Metrics();
  EXPECT_FALSE(scrape.Has("sse_connections_active", {{"cluster", "goes"}}))
      << "no series of a removed cluster";
  EXPECT_TRUE(scrape.Has("queue_depth", {{"cluster", "goes"}}));
  EXPECT_GT(scrape.Sum("sse_gap_seconds_total", {{"cluster", "moves"}}), 0);
  EXPECT_EQ(Submission("goes"), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ReloadSessionTest, ASwappedConfigMapIsReloaded) {
  const auto mount = system_->directory() / "mount";
  const auto version = [&](const std::string& name, const std::string& lines) {
    std::filesystem::create_directories(mount / name);
    WriteFile(mount / name / "config.yaml", "clusters:\n" + lines);
    std::filesystem::create_symlink(name, mount / "..next");
    std::filesystem::rename(mount / "..next", mount / "..data");
  };
  FaultServer& a = AddServer();
  FaultServer& b = AddServer();
  version("..1", ClusterLine("east", a.endpoint()));
  std::filesystem::create_symlink("..data/config.yaml", mount / "config.yaml");
  system_->StartIngestAt({}, {"--config", mount / "config.yaml"});
  AwaitActive("east");
  const auto session = Sessions(a);

  version("..2", ClusterLine("east", a.endpoint(), ", severity_threshold: critical") +
                     ClusterLine("west", b.endpoint()));
  std::filesystem::remove_all(mount / "..1");
  AwaitReload({{"added", {"west"}}, {"removed", kNone}, {"changed", {"east"}}});
  AwaitActive("west");
  ExpectHeard(b, "west");
  ExpectHeard(a, "east");
  EXPECT_TRUE(Eventually([&] {
    return system_->ingest().Metrics().Sum("events_filtered_total",
                                           {{"cluster", "east"}, {"reason", "severity"}}) == 1;
  })) << "by its new rules";
  EXPECT_EQ(Sessions(a), session) << "other rules are no reason to reconnect";

  version("..3", ClusterLine("west", b.endpoint()));
  AwaitReload({{"added", kNone}, {"removed", {"east"}}, {"changed", kNone}});
  EXPECT_TRUE(Eventually([&] { return Sessions(a).empty(); }));
  EXPECT_THAT(Listed(), ElementsAre("west"));
}

TEST_F(ReloadSessionTest, AnInvalidFileIsLoggedAndChangesNothing) {
  FaultServer& a = AddServer();
  system_->StartIngestAt({{"east", a.endpoint()}});
  AwaitActive("east");
  const auto session = Sessions(a);

  WriteClusters(ClusterLine("east", kRefusing) + ClusterLine("West", kRefusing) +
                ClusterLine("south", "ftp://south"));
  Hangup();
  ASSERT_TRUE(Eventually([&] {
    return system_->ingest().log().Has("Configuration not reloaded", {{"level", "error"}});
  }));
  const json line = system_->ingest().log().With("Configuration not reloaded").front();
  ASSERT_THAT(line.at("problems"), SizeIs(2));
  EXPECT_THAT(line.at("problems")[0], HasSubstr("West"));
  EXPECT_THAT(line.at("problems")[1], HasSubstr("ftp://south"));
  ExpectHeard(a, "east");
  EXPECT_EQ(Sessions(a), session);
  EXPECT_THAT(Listed(), ElementsAre("east"));
  EXPECT_FALSE(system_->ingest().log().Has("Clusters reloaded"));

  WriteFile(File(), "clusters: [");
  ASSERT_TRUE(Eventually([&] {
    const json latest = system_->ingest().log().With("Configuration not reloaded").back();
    return latest.at("problems").dump().find("is not YAML") != std::string::npos;
  }));
  WriteClusters(ClusterLine("east", a.endpoint()) + ClusterLine("west", kRefusing));
  AwaitReload({{"added", {"west"}}, {"removed", kNone}, {"changed", kNone}});
  EXPECT_EQ(Sessions(a), session);
}

TEST_F(ReloadSessionTest, ReadinessCountsConfiguredClustersOnly) {
  FaultServer& a = AddServer();
  system_->StartIngestAt({{"east", a.endpoint()}});
  AwaitActive("east");
  ASSERT_TRUE(Eventually([&] { return system_->ingest().Health("/readyz").status == 200; }));
  WriteClusters(ClusterLine("west", kRefusing));
  Hangup();
  AwaitReload({{"removed", {"east"}}});
  EXPECT_EQ(system_->ingest().Health("/readyz").status, 503);
  WriteClusters(ClusterLine("west", kRefusing) + ClusterLine("east", a.endpoint()));
  Hangup();
  AwaitReload({{"added", {"east"}}});
  EXPECT_TRUE(Eventually([&] { return system_->ingest().Health("/readyz").status == 200; }));
}

TEST_F(ReloadTest, QueuedIncidentsOfARemovedClusterAreInvestigated) {
  system_->StartIngestOf({"east", "west"});
  const std::string first = system_->Submit("web-0", "error", "west");
  const std::string second = system_->Submit("web-1", "error", "west");
  WriteClusters(ClusterLine("east", kRefusing));
  Hangup();
  AwaitReload({{"removed", {"west"}}});
  EXPECT_EQ(Submission("west"), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(Listed(), ElementsAre("east"));
  EXPECT_EQ(system_->Admin().Status().incidents_queued(), 2u) << "sums include removed clusters";

  system_->StartExecutor({system_->TestAgent(), "exit", "0"});
  for (const std::string& id : {first, second}) {
    EXPECT_EQ(system_->AwaitFinished(id).status(), "success");
  }
  const MetricsText scrape = system_->ingest().Metrics();
  EXPECT_EQ(scrape.Sum("incidents_finished_total", {{"cluster", "west"}, {"status", "success"}}),
            2);
  EXPECT_EQ(scrape.Sum("queue_depth", {{"cluster", "west"}}), 0);

  WriteClusters(ClusterLine("east", kRefusing) + ClusterLine("west", kRefusing));
  AwaitReload({{"added", {"west"}}});
  EXPECT_EQ(system_->Submit("web-2", "error", "west").empty(), false);
  EXPECT_TRUE(Eventually([&] {
    return system_->ingest().Metrics().Sum("events_queued_total", {{"cluster", "west"}}) == 3;
  })) << "it keeps its counters";
}

TEST_F(ReloadTest, OtherChangedOptionsAreLoggedAndNotApplied) {
  system_->StartIngestOf({"east"});
  WriteFile(File(), "severity_threshold: critical\nclusters:\n" + ClusterLine("east", kRefusing) +
                        ClusterLine("west", kRefusing));
  AwaitReload({{"added", {"west"}}, {"changed", kNone}});
  EXPECT_TRUE(
      system_->ingest().log().Has("Options that changed are not applied before a restart",
                                  {{"level", "warn"}, {"options", {"severity_threshold"}}}));
  system_->Submit("web-0", "error", "west");
}

TEST_F(ReloadTest, SighupNeverEndsTheProcess) {
  ServiceProcess& ingest = system_->StartIngest();
  Hangup();
  ASSERT_TRUE(Eventually([&] {
    return ingest.log().Has("SIGHUP ignored, there is no file of --config to read again");
  }));
  system_->StartExecutor({system_->TestAgent(), "sleep", "60"});
  system_->AwaitAttached();
  system_->AwaitAgentStarted(system_->Submit("web-0"));
  system_->executor().process().Signal(SIGHUP);
  ASSERT_TRUE(Eventually([&] {
    return system_->executor().log().Has("SIGHUP ignored, the configuration is read at start");
  }));
  ingest.Terminate();
  ASSERT_TRUE(Eventually([&] { return ingest.log().Has("Shutting down gracefully"); }));
  Hangup();
  ASSERT_TRUE(Eventually([&] { return ingest.log().Has("SIGHUP ignored, shutting down"); }));
  Hangup();
  ingest.Terminate();  // skips the wait for the agent
  Hangup();
  EXPECT_EQ(ingest.WaitForExit(kRpcTimeout), 0);
}

}  // namespace
}  // namespace runner
