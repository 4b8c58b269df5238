// Every agent ends in time and leaves no process. The end of each test verifies the latter as well.

#include <string>

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <nlohmann/json.hpp>

#include "runner/v1/executor_admin.grpc.pb.h"
#include "tests/support/eventually.h"
#include "tests/support/process_table.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using ::testing::SizeIs;

class ContainmentTest : public SystemTest {
 protected:
  v1::IncidentStatus Run(const Words& agent, const Words& flags = {}) {
    system_->StartWithoutPeer(agent, {}, flags);
    return system_->AwaitFinished(system_->Submit("web-0"));
  }
  void ExpectNothingLeft() {
    EXPECT_TRUE(system_->Agents().empty()) << Describe(system_->Agents());
  }
  void ExpectTimeout(const v1::IncidentStatus& incident) {
    EXPECT_EQ(incident.status(), "timeout") << incident.reason();
    EXPECT_TRUE(incident.outcome().contained());
    const std::string id = incident.incident().incident_id();
    const auto lines =
        system_->executor().log().With("Agent execution timeout", {{"incident_id", id}});
    ASSERT_THAT(lines, SizeIs(1));
    EXPECT_EQ(lines[0].at("level"), "warn");
    EXPECT_EQ(lines[0].at("cluster"), System::kCluster);
    EXPECT_EQ(lines[0].at("timeout_threshold"), 0.5);
    EXPECT_GE(lines[0].at("duration"), 0.5);
    const MetricsText scrape = system_->executor().Metrics();
    EXPECT_EQ(scrape.Sum("agents_timeout_total"), 1);
    EXPECT_EQ(scrape.Sum("agents_completed_total", {{"status", "timeout"}}), 1);
    ExpectNothingLeft();
  }
};

const Words kShort = {"--agent-timeout", "500ms", "--agent-kill-grace", "300ms"};

TEST_F(ContainmentTest, AnAgentThatSleepsIsStoppedAtTheTimeout) {
  ExpectTimeout(Run({system_->TestAgent(), "sleep"}, kShort));
}

TEST_F(ContainmentTest, AnAgentThatIgnoresSigtermIsKilledAfterTheGrace) {
  const auto incident = Run({system_->TestAgent(), "ignore-term"}, kShort);
  ExpectTimeout(incident);
  EXPECT_EQ(incident.outcome().signal(), SIGKILL);
}

TEST_F(ContainmentTest, AnAgentThatStopsItselfIsKilled) {
  ExpectTimeout(Run({system_->TestAgent(), "stop-itself"}, kShort));
}

TEST_F(ContainmentTest, TheTimeoutKillsTheWholeTree) {
  const std::string agent = system_->TestAgent();
  // A sibling in another session, a daemon, and a child that ignores SIGTERM.
  ExpectTimeout(Run({system_->ScriptAgent(agent + " setsid-child\n" + agent + " daemon\n" + agent +
                                          " ignore-term &\nsleep 30\n")},
                    kShort));
}

TEST_F(ContainmentTest, AProcessInAnotherSessionIsKilled) {
  const auto incident = Run({system_->TestAgent(), "setsid-child"});
  EXPECT_EQ(incident.status(), "success") << incident.reason();
  EXPECT_EQ(incident.outcome().orphans_killed(), 1u);
  EXPECT_EQ(system_->executor().Metrics().Sum("agent_orphans_killed_total"), 1);
  ExpectNothingLeft();
}

TEST_F(ContainmentTest, ADaemonOfAnAgentIsKilled) {
  const auto incident = Run({system_->TestAgent(), "daemon"});
  EXPECT_EQ(incident.status(), "success") << incident.reason();
  EXPECT_EQ(incident.outcome().orphans_killed(), 1u);
  ExpectNothingLeft();
}

TEST_F(ContainmentTest, ADaemonThatHoldsTheOutputIsKilledWithoutAWait) {
  const auto incident = Run({system_->TestAgent(), "stdout-holder"}, {"--agent-timeout", "20"});
  EXPECT_EQ(incident.status(), "success") << incident.reason();
  ExpectNothingLeft();
}

TEST_F(ContainmentTest, AnAgentThatKillsItsShimLeavesNoProcess) {
  const auto incident = Run({system_->TestAgent(), "kill-shim"});
  EXPECT_EQ(incident.status(), "failure");
  EXPECT_TRUE(incident.outcome().contained());
  ExpectNothingLeft();
  // The executor continues.
  const auto next = system_->AwaitFinished(system_->Submit("web-1"));
  EXPECT_EQ(next.status(), "failure");
}

TEST_F(ContainmentTest, AnAgentThatKillsTheGroupOfItsExecutorIsContained) {
  system_->StartIngest();
  const std::string program =
      system_->ScriptAgent(std::string("exec setsid --wait ") + RUNNER_EXECUTOR + " \"$@\"\n");
  // Only the first agent does so.
  const std::string agent = system_->ScriptAgent("[ $RUNNER_RESOURCE_NAME != web-0 ] || exec " +
                                                 system_->TestAgent() + " kill-executor-group\n");
  system_->StartExecutor({agent}, kShort, {}, program);
  system_->AwaitAttached();
  const auto first = system_->AwaitFinished(system_->Submit("web-0"));
  EXPECT_EQ(first.status(), "timeout") << first.reason();
  EXPECT_TRUE(first.outcome().contained());
  EXPECT_FALSE(system_->executor().log().Has("Signal from an agent ignored"))
      << "no signal arrives";
  EXPECT_EQ(system_->AwaitFinished(system_->Submit("web-1")).status(), "success");
  ExpectNothingLeft();
}

// The executor's calls for operators: live output, and a stop on request.
TEST_F(ContainmentTest, TailsOutputAndCancelsARun) {
  const std::string agent =
      system_->ScriptAgent("echo one; echo two >&2; exec " + system_->TestAgent() + " obey-term\n");
  system_->StartWithoutPeer({agent});
  const std::string id = system_->Submit("web-0");
  system_->AwaitAgentStarted(id);
  const auto stub = v1::ExecutorAdmin::NewStub(
      grpc::CreateChannel(system_->executor().grpc(), grpc::InsecureChannelCredentials()));
  v1::TailOutputRequest tail;
  tail.set_incident_id(id);
  tail.set_follow(true);
  grpc::ClientContext following;
  const auto reader = stub->TailOutput(&following, tail);
  std::string out;
  for (v1::TailOutputResponse part;
       out.find("ready") == std::string::npos && reader->Read(&part);) {
    out += part.data();
  }
  EXPECT_EQ(out, "one\nready\n");

  v1::CancelRunRequest cancel;
  cancel.set_incident_id(id);
  v1::CancelRunResponse cancelled;
  grpc::ClientContext cancelling;
  EXPECT_TRUE(stub->CancelRun(&cancelling, cancel, &cancelled).ok());
  EXPECT_EQ(system_->AwaitFinished(id).status(), "cancelled");
  v1::TailOutputResponse rest;
  EXPECT_FALSE(reader->Read(&rest)) << "it ends with the run";
  EXPECT_TRUE(reader->Finish().ok());

  tail.set_stream(v1::OUTPUT_STREAM_STDERR);
  grpc::ClientContext again;
  const auto errors = stub->TailOutput(&again, tail);
  ASSERT_TRUE(errors->Read(&rest));
  EXPECT_EQ(rest.data(), "two\n");
  EXPECT_FALSE(errors->Read(&rest));
  grpc::ClientContext late;
  EXPECT_EQ(stub->CancelRun(&late, cancel, &cancelled).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(errors->Finish().ok());
}

TEST_F(ContainmentTest, ALogReplacedByALinkIsNotShown) {
  const std::string secret = system_->directory() / "secret";
  WriteFile(secret, "secret");
  const std::string agent =
      system_->ScriptAgent("rm agent.stdout.log; ln -s " + secret +
                           " agent.stdout.log; mkdir output/x; ln -s / output/x/y\n");
  system_->StartWithoutPeer({agent}, {}, {"--agent-workspace-limit", "100MiB"});
  const std::string id = system_->Submit("web-0");
  EXPECT_EQ(system_->AwaitFinished(id).status(), "success");
  const auto stub = v1::ExecutorAdmin::NewStub(
      grpc::CreateChannel(system_->executor().grpc(), grpc::InsecureChannelCredentials()));
  v1::TailOutputRequest tail;
  tail.set_incident_id(id);
  grpc::ClientContext context;
  const auto reader = stub->TailOutput(&context, tail);
  v1::TailOutputResponse part;
  EXPECT_FALSE(reader->Read(&part)) << part.data();
  EXPECT_TRUE(reader->Finish().ok());
}

// The first process of a container inherits orphans of others, for example of kubectl exec.
TEST_F(ContainmentTest, AnOrphanOfAnotherProcessIsReaped) {
  const std::string here = system_->directory();
  const auto until = [&](const char* file) {
    return "until [ -e " + here + "/" + file + " ]; do sleep 0.02; done";
  };
  const auto wrapper = system_->directory() / "with-a-stranger";
  WriteFile(wrapper, "#!/bin/sh\n{ { " + until("end") + "; } & echo $! >" + here + "/orphan; " +
                         until("leave") + "; } &\nexec " + RUNNER_EXECUTOR + " \"$@\"\n");
  std::filesystem::permissions(wrapper, std::filesystem::perms::owner_all);
  system_->StartIngest();
  ServiceProcess& executor = system_->StartExecutor({"true"}, {}, {}, wrapper);
  system_->AwaitAttached();

  WriteFile(here + "/leave", "");
  ASSERT_TRUE(Eventually([&] { return ReadFile(here + "/orphan").ends_with("\n"); }));
  const std::string orphan = "/proc/" + std::to_string(std::stoi(ReadFile(here + "/orphan")));
  const std::string parent = "\nPPid:\t" + std::to_string(executor.process().pid()) + "\n";
  ASSERT_TRUE(
      Eventually([&] { return ReadFile(orphan + "/status").find(parent) != std::string::npos; }));
  WriteFile(here + "/end", "");
  EXPECT_TRUE(Eventually([&] { return !std::filesystem::exists(orphan); }))
      << ReadFile(orphan + "/status");
}

}  // namespace
}  // namespace runner
