// From a fault of the MCP server to a report for the operator.

#include <algorithm>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/eventually.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using nlohmann::json;
using ::testing::Each;
using ::testing::ElementsAreArray;
using ::testing::SizeIs;

const std::string kReport = "# What happened\n\nThe container ends with 1 at once.\n";

// An agent that keeps its input and environment, and writes a report.
std::string KeepingAgent(System& system, int exit_code = 0) {
  return system.ScriptAgent(
      "cat /proc/$$/environ >environment\n"
      "cat >stdin\n"
      "pwd -P >directory\n"
      "cat >\"$RUNNER_REPORT_FILE\" <<'END'\n" +
      kReport +
      "END\n"
      "exit " +
      std::to_string(exit_code) + "\n");
}

Environment KeptEnvironment(const std::filesystem::path& workspace) {
  std::istringstream text(ReadFile(workspace / "environment"));
  Environment variables;
  for (std::string variable; std::getline(text, variable, '\0');) {
    const std::size_t equals = variable.find('=');
    variables[variable.substr(0, equals)] = variable.substr(equals + 1);
  }
  return variables;
}

class ReportTest : public PeerTest {
 protected:
  void StartKeeping(int exit_code = 0) {
    system_->Start({KeepingAgent(*system_, exit_code)}, {},
                   {"--agent-timeout", "30", "--report-file", "output/investigation.md",
                    "--report-min-bytes", "10"});
  }
  // Returns the incident of a fault that the server pushes.
  v1::IncidentStatus Investigate(const json& fault) {
    EXPECT_EQ(system_->peer().Push(fault), 1);
    const auto finished = system_->AwaitFinished(1);
    v1::IncidentStatus whole;
    EXPECT_TRUE(system_->Admin().Get(finished.front().incident().incident_id(), &whole).ok());
    return whole;
  }
};

const json kFault = {{"faultId", "0011223344556677"},
                     {"faultType", "CrashLoop"},
                     {"severity", "critical"},
                     {"context", "back-off restarting \"app\"\n\tpanic: nil\n"},
                     {"timestamp", "2024-05-06T07:08:09Z"},
                     {"resource",
                      {{"apiVersion", "v1"},
                       {"kind", "Pod"},
                       {"name", "web-0"},
                       {"namespace", "shop"},
                       {"uid", "0b0c6b4e-1111-4222-8333-444455556666"}}}};

TEST_F(ReportTest, TheAgentGetsTheDocumentedEnvironmentAndNothingElse) {
  const Environment own = {{"LC_ALL", "C.UTF-8"},
                           {"LANG", "C.UTF-8"},
                           {"TZ", "UTC"},
                           {"TMPDIR", "/tmp"},
                           {"KUBERNETES_SERVICE_HOST", "10.0.0.1"},
                           {"KUBERNETES_SERVICE_PORT", "443"},
                           {"AWS_SECRET_ACCESS_KEY", "of the executor"},
                           {"LOG_LEVEL", "debug"},
                           {"RUNNER_SOMETHING", "of the executor"},
                           {"KUBECONFIG", "/of/the/executor"}};
  system_->StartPeer();
  system_->StartIngest();
  system_->StartExecutor({KeepingAgent(*system_)}, {"--agent-timeout", "30"}, own);
  system_->AwaitSubscribed();
  system_->AwaitAttached();
  const auto incident = Investigate(kFault);
  ASSERT_EQ(incident.status(), "success") << incident.reason();

  const std::string id = incident.incident().incident_id();
  const auto workspace = system_->Workspace(id);
  Environment got = KeptEnvironment(workspace);
  Environment expected = {{"RUNNER_INCIDENT_ID", id},
                          {"RUNNER_INCIDENT_FILE", workspace / "incident.json"},
                          {"RUNNER_WORKSPACE", workspace},
                          {"RUNNER_REPORT_FILE", got["RUNNER_REPORT_FILE"]},
                          {"RUNNER_CLUSTER", System::kCluster},
                          {"RUNNER_FAULT_ID", "0011223344556677"},
                          {"RUNNER_FAULT_TYPE", "CrashLoop"},
                          {"RUNNER_SEVERITY", "critical"},
                          {"RUNNER_RESOURCE_KIND", "Pod"},
                          {"RUNNER_RESOURCE_NAMESPACE", "shop"},
                          {"RUNNER_RESOURCE_NAME", "web-0"},
                          {"RUNNER_ATTEMPT", "1"},
                          {"RUNNER_TIMEOUT_SECONDS", "30"},
                          {"RUNNER_DEADLINE", got["RUNNER_DEADLINE"]},
                          {"LC_ALL", "C.UTF-8"},
                          {"LANG", "C.UTF-8"},
                          {"TZ", "UTC"},
                          {"TMPDIR", "/tmp"},
                          {"KUBERNETES_SERVICE_HOST", "10.0.0.1"},
                          {"KUBERNETES_SERVICE_PORT", "443"},
                          {"KUBECONFIG", workspace / ".kubeconfig"}};
  for (const char* name : {"PATH", "HOME"}) {
    if (const char* value = std::getenv(name)) expected[name] = value;
  }
  EXPECT_THAT(got, ElementsAreArray(expected));
  EXPECT_THAT(got["RUNNER_DEADLINE"], ::testing::MatchesRegex("20.*T.*Z"));
  EXPECT_TRUE(got["RUNNER_REPORT_FILE"].starts_with(workspace.string() + "/output/"));
}

TEST_F(ReportTest, TheAgentReadsTheIncidentThatTheServerSentInItsWorkspace) {
  StartKeeping();
  const auto incident = Investigate(kFault);
  const std::string id = incident.incident().incident_id();
  const auto workspace = system_->Workspace(id);
  EXPECT_EQ(ReadFile(workspace / "directory"), workspace.string() + "\n");
  EXPECT_EQ(ReadFile(workspace / "stdin"), ReadFile(workspace / "incident.json"));

  const json document = json::parse(ReadFile(workspace / "incident.json"));
  for (const char* field : {"faultId", "faultType", "severity", "resource", "context"}) {
    EXPECT_EQ(document.at(field), kFault.at(field)) << field;
  }
  EXPECT_EQ(document.at("incidentId"), id);
  EXPECT_EQ(document.at("cluster"), System::kCluster);
  EXPECT_EQ(document.at("attempt"), 1);
  EXPECT_EQ(document.at("occurrences"), 1);
  EXPECT_THAT(document.at("timestamp").get<std::string>(),
              ::testing::StartsWith("2024-05-06T07:08:09"));
  EXPECT_EQ(incident.incident().context(), kFault.at("context").get<std::string>());
}

TEST_F(ReportTest, IngestReceivesTheReport) {
  StartKeeping();
  const auto incident = Investigate(kFault);
  EXPECT_EQ(incident.status(), "success");
  EXPECT_EQ(incident.outcome().report(), kReport);
  EXPECT_FALSE(incident.outcome().report_partial());
  for (const auto& listed : system_->Admin().List()) EXPECT_EQ(listed.outcome().report(), "");
}

TEST_F(ReportTest, ResultFileAdminAndLogsAgreeOnAFailure) {
  StartKeeping(3);
  const auto incident = Investigate(kFault);
  const std::string id = incident.incident().incident_id();
  EXPECT_EQ(incident.status(), "failure");
  EXPECT_EQ(incident.reason(), "exit_code");
  EXPECT_EQ(incident.attempt(), 1u);
  EXPECT_EQ(incident.outcome().exit_code(), 3);
  EXPECT_TRUE(incident.outcome().contained());
  EXPECT_EQ(incident.outcome().report(), kReport);
  EXPECT_TRUE(incident.outcome().report_partial());

  const json result = json::parse(ReadFile(system_->Workspace(id) / "result.json"));
  EXPECT_EQ(result.at("incidentId"), id);
  EXPECT_EQ(result.at("status"), "failure");
  EXPECT_EQ(result.at("reason"), "exit_code");
  EXPECT_EQ(result.at("exitCode"), 3);
  EXPECT_EQ(result.at("attempt"), 1);
  EXPECT_EQ(result.at("report").at("bytes"), kReport.size());

  EXPECT_THAT(
      system_->executor().log().With(
          "Agent finished",
          {{"incident_id", id}, {"cluster", "prod"}, {"status", "failure"}, {"exit_code", 3}}),
      SizeIs(1));
  EXPECT_THAT(system_->ingest().log().With("Incident finished", {{"incident_id", id},
                                                                 {"cluster", "prod"},
                                                                 {"executor_id", "executor"},
                                                                 {"attempt", 1},
                                                                 {"status", "failure"},
                                                                 {"reason", "exit_code"}}),
              SizeIs(1));
}

TEST_F(ReportTest, EveryEventIsCountedOnce) {
  StartKeeping();
  FaultServer& peer = system_->peer();
  for (const char* severity : {"critical", "error", "warning"}) {
    ASSERT_EQ(peer.Push({{"severity", severity}}), 1);
  }
  for (const char* severity : {"info", "debug"}) ASSERT_EQ(peer.Push({{"severity", severity}}), 1);
  for (const char* rubbish : {"\"text\"", "{}", "[1,2]", R"({"severity":"dreadful"})"}) {
    ASSERT_EQ(peer.PushRaw(rubbish), 1);
  }
  ASSERT_TRUE(
      Eventually([&] { return system_->ingest().Metrics().Sum("events_received_total") == 9; }));
  system_->AwaitFinished(3);
  const MetricsText ingest = system_->ingest().Metrics();
  EXPECT_EQ(ingest.Sum("events_invalid_total"), 4);
  EXPECT_EQ(ingest.Sum("events_filtered_total", {{"reason", "severity"}}), 2);
  EXPECT_EQ(ingest.Sum("events_queued_total"), 3);
  EXPECT_EQ(ingest.Sum("incidents_finished_total", {{"status", "success"}}), 3);
  const MetricsText executor = system_->executor().Metrics();
  EXPECT_EQ(executor.Sum("agents_spawned_total"), 3);
  EXPECT_EQ(executor.Sum("agents_completed_total", {{"status", "success"}}), 3);
  EXPECT_THAT(system_->ingest().log().With("Event filtered", {{"reason", "severity"}}), SizeIs(2));
  ExpectBalance();
}

TEST_F(ReportTest, OldFinishedWorkspacesAreRemoved) {
  system_->StartWithoutPeer({system_->ScriptAgent("exit 0\n")}, {}, {"--workspace-max-age", "1s"});
  const std::string id = system_->Submit("web-0");
  EXPECT_EQ(system_->AwaitFinished(id).status(), "success");
  EXPECT_TRUE(Eventually([&] { return !std::filesystem::exists(system_->Workspace(id)); },
                         std::chrono::seconds(15)));
}

// --- outcomes, without a server ------------------------------------------------------------

class OutcomeTest : public SystemTest {};

TEST_F(OutcomeTest, ATruncatedReportIsMarked) {
  system_->StartWithoutPeer({system_->ScriptAgent(
      "case $RUNNER_RESOURCE_NAME in long) yes report | head -c 70000;; *) echo short;; esac "
      ">\"$RUNNER_REPORT_FILE\"\n")});
  const auto cut = system_->AwaitFinished(system_->Submit("long")).outcome();
  EXPECT_EQ(cut.report().size(), 64u * 1024);
  EXPECT_TRUE(cut.report_truncated());
  EXPECT_EQ(cut.report_bytes(), 70'000u);
  EXPECT_FALSE(cut.report_partial()) << "the agent has finished it";
  const auto whole = system_->AwaitFinished(system_->Submit("short")).outcome();
  EXPECT_EQ(whole.report(), "short\n");
  EXPECT_FALSE(whole.report_truncated());
  EXPECT_EQ(whole.report_bytes(), 6u);
}

TEST_F(OutcomeTest, AFailureHasTheLastOutputLineOfItsAgent) {
  system_->StartWithoutPeer(
      {system_->ScriptAgent("echo working\n"
                            "case $RUNNER_RESOURCE_NAME in\n"
                            "good) exit 0;;\n"
                            "mute-*) exit 4;;\n"
                            "slow) echo waits >&2; exec sleep 60;;\n"
                            "link) echo hidden >&2; ln -sf /etc/passwd agent.stderr.log; exit 6;;\n"
                            "esac\n"
                            "printf '\\033[31merror:\\033[0m no such Pod\\n\\n' >&2\nexit 5\n")},
      {"--circuit-breaker-threshold", "0"}, {"--agent-timeout", "1", "--agent-kill-grace", "1"});
  const auto last = [&](const std::string& pod) {
    const std::string id = system_->Submit(pod);
    const std::string line = system_->AwaitFinished(id).outcome().last_output();
    const json finished =
        system_->executor().log().With("Agent finished", {{"incident_id", id}}).front();
    EXPECT_EQ(finished.value("last_output", ""), line) << pod;
    const json result = json::parse(ReadFile(system_->Workspace(id) / "result.json"));
    EXPECT_FALSE(result.contains("lastOutput"));
    return line;
  };
  EXPECT_EQ(last("bad"), "error: no such Pod");
  EXPECT_EQ(last("mute-on-stderr"), "working");
  EXPECT_EQ(last("slow"), "waits");
  EXPECT_EQ(last("link"), "working") << "what the agent has linked is not read";
  EXPECT_EQ(last("good"), "") << "only for a failure or a timeout";
}

// --- kubeconfigs --------------------------------------------------------------------------------

class KubeconfigTest : public SystemTest {
 protected:
  void SetUp() override {
    SystemTest::SetUp();
    home_ = system_->directory() / "home";
    files_ = system_->directory() / "kubeconfigs";
    std::filesystem::create_directories(home_ / ".kube");
    std::filesystem::create_directories(files_);
    WriteFile(home_ / ".kube/config", "of the operator\n");
  }
  // An agent that reads the kubeconfig that a Kubernetes client would use.
  void Start(const Words& flags) {
    system_->StartIngest({"--circuit-breaker-threshold", "2"});
    system_->StartExecutor(
        {system_->ScriptAgent("cat \"${KUBECONFIG:-$HOME/.kube/config}\" 2>/dev/null\nexit 0\n")},
        flags, {{"HOME", home_}});
    system_->AwaitAttached();
  }
  std::string Read(const std::string& id) {
    EXPECT_EQ(system_->AwaitFinished(id).status(), "success");
    return ReadFile(system_->Workspace(id) / "agent.stdout.log");
  }

  std::filesystem::path home_, files_;
};

TEST_F(KubeconfigTest, ARunWithoutAKubeconfigFails) {
  Start({"--kubeconfig-dir", files_});
  for (const char* pod : {"a", "b"}) {
    const std::string id = system_->Submit(pod);
    const auto finished = system_->AwaitFinished(id);
    EXPECT_EQ(finished.status(), "failure");
    EXPECT_EQ(finished.reason(), "kubeconfig_missing");
    EXPECT_FALSE(finished.outcome().started());
    EXPECT_FALSE(std::filesystem::exists(system_->Workspace(id) / "agent.stdout.log"));
    const json result = json::parse(ReadFile(system_->Workspace(id) / "result.json"));
    EXPECT_EQ(result.at("reason"), "kubeconfig_missing");
    EXPECT_TRUE(system_->executor().log().Has(
        "Agent could not be started",
        {{"incident_id", id}, {"step", "find kubeconfig " + (files_ / "prod.yaml").string()}}));
  }
  EXPECT_EQ(system_->Admin().Status().circuit_breaker(), "open");
  EXPECT_EQ(system_->executor().Metrics().Sum("agents_completed_total", {{"status", "failure"}}),
            2);
  EXPECT_THAT(system_->Admin().Explain("a").front().explanation(),
              ::testing::StartsWith("Failed: --kubeconfig-dir has no kubeconfig of its cluster"));
  ExpectBalance();
  WriteFile(files_ / "prod.yaml", "of prod\n");
  system_->Admin().ResetBreaker();
  EXPECT_EQ(Read(system_->Submit("c")), "of prod\n") << "each run looks it up";
}

TEST_F(KubeconfigTest, AnAgentNeverReceivesTheKubeconfigOfTheOperator) {
  Start({});
  EXPECT_EQ(Read(system_->Submit("a")), "");
}

TEST_F(KubeconfigTest, AMissingOptionalKubeconfigIsNotReplaced) {
  Start({"--kubeconfig-dir", files_, "--kubeconfig-optional"});
  EXPECT_EQ(Read(system_->Submit("a")), "");
  WriteFile(files_ / "prod.yaml", "of prod\n");
  EXPECT_EQ(Read(system_->Submit("b")), "of prod\n");
}

TEST_F(KubeconfigTest, AnUnusableOptionalKubeconfigFailsTheRun) {
  std::filesystem::create_directory(files_ / "prod.yaml");
  Start({"--kubeconfig-dir", files_, "--kubeconfig-optional"});
  EXPECT_EQ(system_->AwaitFinished(system_->Submit("a")).reason(), "kubeconfig_missing");
}

TEST_F(KubeconfigTest, AnAgentReceivesTheConfiguredKubeconfig) {
  Start({"--agent-env", "KUBECONFIG=" + (home_ / ".kube/config").string()});
  EXPECT_EQ(Read(system_->Submit("a")), "of the operator\n");
}

}  // namespace
}  // namespace runner
