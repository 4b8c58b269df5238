#include "executor/workspace/workspace.h"

#include <cerrno>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "executor/workspace/incident_document.h"
#include "executor/workspace/result_document.h"
#include "tests/support/temporary_directory.h"

namespace runner::executor {
namespace {

namespace fs = std::filesystem;

const std::string kId = "018f2d3c-7a10-7c4e-9b1e-0123456789ab";

Workspace Make(const fs::path& root) { return std::get<Workspace>(Workspace::Create(root, kId)); }

TEST(Workspace, IsPrivateAndHasAnOutputDirectory) {
  const TemporaryDirectory root;
  const Workspace workspace = Make(root.path() / "made" / "too");
  EXPECT_EQ(workspace.path(), root.path() / "made" / "too" / kId);
  EXPECT_EQ(fs::status(workspace.path()).permissions(), fs::perms::owner_all);
  EXPECT_TRUE(fs::is_directory(workspace.path() / "output"));
}

TEST(Workspace, IdThatIsNotALowerCaseUuidIsRejected) {
  const TemporaryDirectory root;
  for (const std::string id :
       {"", "..", "a/b", "018F2D3C-7A10-7C4E-9B1E-0123456789AB",
        "018f2d3c-7a10-7c4e-9b1e-0123456789a", "018f2d3c-7a10-7c4e-9b1e-0123456789abc",
        "018f2d3c/7a10-7c4e-9b1e-0123456789ab"}) {
    const auto result = Workspace::Create(root.path(), id);
    ASSERT_TRUE(std::holds_alternative<WorkspaceError>(result)) << id;
    EXPECT_EQ(std::get<WorkspaceError>(result).error, EINVAL);
  }
  EXPECT_TRUE(fs::is_empty(root.path()));
}

TEST(Workspace, EarlierAttemptsAreRenamed) {
  const TemporaryDirectory root;
  ASSERT_EQ(Make(root.path()).WriteIncident("first"), 0);
  ASSERT_EQ(Make(root.path()).WriteIncident("second"), 0);
  ASSERT_EQ(Make(root.path()).WriteIncident("third"), 0);
  EXPECT_EQ(root.Read(kId + ".1/incident.json"), "first");
  EXPECT_EQ(root.Read(kId + ".2/incident.json"), "second");
  EXPECT_EQ(root.Read(kId + "/incident.json"), "third");
}

TEST(Workspace, LinkInThePlaceOfTheWorkspaceIsRenamedNotFollowed) {
  const TemporaryDirectory root;
  const TemporaryDirectory elsewhere;
  fs::create_directory_symlink(elsewhere.path(), root.path() / kId);
  const Workspace workspace = Make(root.path());
  EXPECT_EQ(workspace.WriteIncident("x"), 0);
  EXPECT_TRUE(fs::is_empty(elsewhere.path()));
}

TEST(Workspace, ResultReplacesAFileOfTheAgentWithItsName) {
  const TemporaryDirectory root;
  const TemporaryDirectory elsewhere;
  const Workspace workspace = Make(root.path());
  fs::create_symlink(elsewhere.path() / "a", workspace.path() / "result.json");
  fs::create_symlink(elsewhere.path() / "b", workspace.path() / ".result.json.tmp");
  EXPECT_EQ(workspace.WriteResult("done"), 0);
  EXPECT_EQ(root.Read(kId + "/result.json"), "done");
  EXPECT_FALSE(fs::is_symlink(workspace.path() / "result.json"));
  EXPECT_TRUE(fs::is_empty(elsewhere.path()));
}

TEST(Workspace, DirectoriesWithTheNameOfTheResultAreRenamed) {
  const TemporaryDirectory root;
  const Workspace workspace = Make(root.path());
  fs::create_directory(workspace.path() / "result.json");
  fs::create_directory(workspace.path() / "result.json.agent.1");
  fs::create_directory(workspace.path() / ".result.json.tmp");
  fs::permissions(workspace.path(), fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_EQ(workspace.WriteResult("done"), 0);
  EXPECT_EQ(root.Read(kId + "/result.json"), "done");
  EXPECT_TRUE(fs::is_directory(workspace.path() / "result.json.agent.2"));
  EXPECT_TRUE(fs::is_directory(workspace.path() / ".result.json.tmp.agent.1"));
}

TEST(Workspace, ResultThatCannotBeWrittenIsAnError) {
  const TemporaryDirectory root;
  const Workspace workspace = Make(root.path());
  fs::remove_all(workspace.path());
  EXPECT_NE(workspace.WriteResult("done"), 0);
}

TEST(IncidentDocument, HoldsTheDocumentedFieldsInOrder) {
  Incident incident;
  incident.event.cluster = "prod";
  incident.event.fault_id = "f";
  incident.event.fault_type = "OOM\xFF";
  incident.event.severity = Severity::kCritical;
  incident.event.resource = {"v1", "Pod", "web", "shop", "u"};
  incident.event.timestamp = WallTime(std::chrono::milliseconds(1'500));
  incident.occurrences = 4;
  const auto json = nlohmann::ordered_json::parse(IncidentDocument({kId, 2}, incident));
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"incidentId", "cluster", "faultId", "faultType",
                                            "severity", "resource", "context", "timestamp",
                                            "receivedAt", "occurrences", "attempt"}));
  EXPECT_EQ(json["faultType"], "OOM\xEF\xBF\xBD");
  EXPECT_EQ(json["timestamp"], "1970-01-01T00:00:01.500Z");
  EXPECT_EQ(json["resource"]["namespace"], "shop");
  EXPECT_EQ(json["occurrences"], 4);
}

TEST(ResultDocument, HoldsTheDocumentedFieldsAndNullForUnknownValues) {
  Outcome outcome;
  outcome.status = RunStatus::kSuccess;
  outcome.exit_code = 0;
  const auto json = nlohmann::ordered_json::parse(ResultDocument({kId, 1}, outcome, {}));
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"incidentId",
                                            "attempt",
                                            "status",
                                            "reason",
                                            "exitCode",
                                            "signal",
                                            "spawnError",
                                            "timedOut",
                                            "cancelled",
                                            "oom",
                                            "orphansKilled",
                                            "contained",
                                            "startedAt",
                                            "finishedAt",
                                            "durationSeconds",
                                            "stdoutBytes",
                                            "stdoutDroppedBytes",
                                            "stderrBytes",
                                            "stderrDroppedBytes",
                                            "report"}));
  for (const char* key : {"reason", "signal", "spawnError", "stdoutBytes", "report"}) {
    EXPECT_TRUE(json[key].is_null()) << key;
  }
  EXPECT_EQ(json["exitCode"], 0);
}

}  // namespace
}  // namespace runner::executor
