// SIGKILL to the executor or to a shim at any time: no process of a run survives, and every
// incident ends once or is requeued.

#include <cstdlib>
#include <iostream>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "common/base/unique_fd.h"
#include "tests/support/eventually.h"
#include "tests/support/process_table.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;
using ::testing::SizeIs;

// Each child that is started while this exists is the first process of a PID namespace.
class NextChildLeadsPidNamespace {
 public:
  NextChildLeadsPidNamespace() : own_(::open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC)) {
    entered_ = own_ && ::unshare(CLONE_NEWPID) == 0;
  }
  ~NextChildLeadsPidNamespace() {
    if (entered_) ::setns(own_.Get(), CLONE_NEWPID);
  }
  explicit operator bool() const { return entered_; }

 private:
  UniqueFd own_;
  bool entered_ = false;
};

class ExecutorDeathTest : public SystemTest {
 protected:
  static constexpr int kAgents = 5;

  void StartIngestFor(int agents) {
    const std::string most = std::to_string(agents);
    system_->StartIngest({"--max-agents-per-cluster", most, "--max-concurrent-agents", most,
                          "--circuit-breaker-threshold", "0", "--cluster-queue-size", "5000",
                          "--global-queue-size", "5000", "--max-attempts", "100", "--lease-ttl",
                          "10"});
  }
  double Finished(const std::string& status = "") {
    const MetricsText scrape = system_->ingest().Metrics();
    return status.empty() ? scrape.Sum("incidents_finished_total")
                          : scrape.Sum("incidents_finished_total", {{"status", status}});
  }
  std::vector<std::string> SubmitAndAwaitAgents() {
    std::vector<std::string> ids;
    for (int i = 0; i < kAgents; ++i) ids.push_back(system_->Submit("web-" + std::to_string(i)));
    for (const std::string& id : ids) system_->AwaitAgentStarted(id);
    return ids;
  }
  // Starts an executor in a PID namespace, so that its death kills its children, as in a container.
  // It has the /proc of its namespace. In a chroot / may not be a mount point.
  bool StartExecutorInNamespace(const Words& agent, const Words& flags) {
    const NextChildLeadsPidNamespace leads;
    if (!leads) return false;
    const std::string program = system_->ScriptAgent(
        "exec unshare --mount --propagation unchanged sh -c "
        "'mount --make-private /proc && mount -t proc none /proc && exec \"$0\" \"$@\"' " +
        std::string(RUNNER_EXECUTOR) + " \"$@\"\n");
    system_->StartExecutor(agent, flags, {}, program);
    return true;
  }
};

TEST_F(ExecutorDeathTest, AgentsEndWithinTheGraceAndTheNextExecutorSendsTheirResults) {
  StartIngestFor(kAgents);
  // Two agents that obey SIGTERM and three that must be killed, one of them with a daemon.
  const std::string test_agent = system_->TestAgent();
  const std::string agent = system_->ScriptAgent(
      "case $RUNNER_ATTEMPT-$RUNNER_RESOURCE_NAME in\n"
      "1-web-[01]) exec " +
      test_agent +
      " obey-term;;\n"
      "1-web-2) " +
      test_agent + " daemon; exec " + test_agent +
      " ignore-term;;\n"
      "1-*) exec " +
      test_agent + " ignore-term;;\nesac\n");
  const Words flags = {"--agent-kill-grace", "1"};
  system_->StartExecutor({agent}, flags);
  system_->AwaitAttached();
  const auto ids = SubmitAndAwaitAgents();

  system_->executor().process().Kill();
  const auto killed = std::chrono::steady_clock::now();
  EXPECT_TRUE(Eventually([&] { return ProcessesNaming(test_agent).empty(); }, 10s))
      << Describe(ProcessesNaming(test_agent));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - killed;
  std::cout << "all agents gone " << took.count() << " s after the death of their executor\n";
  EXPECT_LT(took.count(), 1 + 1) << "the grace and a second";

  system_->StartExecutor({agent}, flags);
  for (const std::string& id : ids) EXPECT_EQ(system_->AwaitFinished(id).status(), "success");
  const auto found = system_->executor().log().With("Results of an earlier executor found", {});
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].at("results"), kAgents);
  EXPECT_THAT(system_->ingest().log().With("Incident requeued", {{"reason", "interrupted"}}),
              SizeIs(kAgents));
  EXPECT_EQ(system_->executor().Metrics().Sum("agents_spawned_total"), kAgents)
      << "what an earlier executor ran is not counted again";
  EXPECT_TRUE(std::filesystem::is_empty(system_->directory() / "incidents/.spool"));
}

TEST_F(ExecutorDeathTest, InAPidNamespaceTheShimsDieAndTheIncidentsAreRequeued) {
  StartIngestFor(kAgents);
  const std::string test_agent = system_->TestAgent();
  const std::string agent =
      system_->ScriptAgent("[ $RUNNER_ATTEMPT -gt 1 ] || exec " + test_agent + " ignore-term\n");
  if (!StartExecutorInNamespace({agent}, {})) {
    GTEST_SKIP() << "needs the right to make a PID namespace";
  }
  system_->AwaitAttached();
  const auto ids = SubmitAndAwaitAgents();
  system_->executor().process().Kill();
  EXPECT_TRUE(Eventually([&] { return ProcessesNaming(test_agent).empty(); }, 5s));
  ASSERT_TRUE(StartExecutorInNamespace({agent}, {}));
  for (const std::string& id : ids) EXPECT_EQ(system_->AwaitFinished(id).status(), "success");
  EXPECT_THAT(system_->ingest().log().With("Incident requeued", {{"reason", "lost"}}),
              SizeIs(kAgents));
}

TEST_F(ExecutorDeathTest, AnAgentWithAStoppedShimDoesNotOutliveTheLeftoverCleanup) {
  const char* const ways[] = {"kill -STOP $PPID",
                              "(while :; do kill -STOP $PPID; sleep 0.001; done) &"};
  StartIngestFor(1);
  const Words flags = {"--agent-kill-grace", "0.5"};
  for (const char* const way : ways) {
    const std::string agent = system_->ScriptAgent(
        "[ $RUNNER_ATTEMPT -eq 1 ] || exit 0\n" + ("trap '' TERM\n" + std::string(way)) +
        "\nexec " + system_->TestAgent() + " ignore-term\n");
    system_->StartExecutor({agent}, flags);
    system_->AwaitAttached();
    const std::string id = system_->Submit(way);
    const auto ready = [&] {
      return ReadFile(system_->Workspace(id) / "agent.stdout.log") == "ready\n" ||
             !ProcessesNaming(system_->TestAgent() + " ignore-term").empty();
    };
    ASSERT_TRUE(Eventually(ready));
    system_->executor().process().Kill();
    system_->StartExecutor({agent}, flags);
    system_->AwaitAttached();
    for (const std::string& left : {id + " --attempt 1", system_->TestAgent() + " ignore-term"}) {
      EXPECT_THAT(ProcessesNaming(left), SizeIs(0)) << way;
    }
    EXPECT_EQ(system_->AwaitFinished(id).status(), "success") << way;
    system_->executor().Terminate();
    EXPECT_EQ(system_->executor().WaitForExit(kRpcTimeout), 0);
  }
}

// --- random kills ---------------------------------------------------------------------------

class ExecutorDeathLoop : public ExecutorDeathTest,
                          public ::testing::WithParamInterface<const char*> {
 protected:
  static constexpr int kSlots = 12;
  const Words flags_ = {"--slots", std::to_string(kSlots), "--agent-kill-grace",
                        "200ms",   "--agent-timeout",      "1500ms"};

  bool InNamespace() const { return std::string(GetParam()) == "InAPidNamespace"; }
  // The number of incidents: RUNNER_DEATH_LOOP_RUNS, or a small default.
  static int Runs() {
    const char* const runs = std::getenv("RUNNER_DEATH_LOOP_RUNS");
    return runs != nullptr ? std::atoi(runs) : 60;
  }
  // Agents of several kinds, by the last digit of the incident id.
  std::string MixedAgent() {
    const std::string agent = system_->TestAgent();
    return system_->ScriptAgent(
        "case $RUNNER_INCIDENT_ID in\n"
        "*[0-3]) sleep 0.3;;\n"
        "*[45]) sleep 0.1; exec " +
        agent +
        " daemon;;\n"
        "*[67]) sleep 0.2; exec " +
        agent +
        " setsid-child;;\n"
        "*8) exec " +
        agent +
        " ignore-term;;\n"
        "*9) exec " +
        agent +
        " flood 20000000;;\n"
        "*a) sleep 0.2; exec " +
        agent +
        " storm-setsid 20;;\n"
        "*b) sleep 0.1; exec " +
        agent +
        " exit 3;;\n"
        "*c) exec " +
        agent +
        " obey-term;;\n"
        "*) sleep 0.4; exec " +
        agent + " stdout-holder;;\nesac\n");
  }
  void StartExecutor() {
    if (InNamespace()) {
      ASSERT_TRUE(StartExecutorInNamespace({agent_}, flags_));
    } else {
      system_->StartExecutor({agent_}, flags_);
    }
  }
  // Every shim of this system, and whether a process of its run is alive.
  std::map<pid_t, bool> Shims() const {
    const std::string workspaces = "--workspace " + system_->directory().string() + "/";
    const std::vector<ProcessEntry> all = AllProcesses();
    std::map<pid_t, bool> shims;
    for (const ProcessEntry& process : all) {
      // A zombie has no command line.
      const bool ours = process.command_line.find("runner-shim --incident") != std::string::npos &&
                        process.command_line.find(workspaces) != std::string::npos;
      if (ours) shims[process.pid] = false;
    }
    for (const ProcessEntry& process : all) {
      if (shims.contains(process.parent)) shims[process.parent] = true;
    }
    return shims;
  }
  // Kills one shim, or the executor with all its runs. The victim is stopped first, so that its
  // state does not change between the inspection and the kill.
  void KillOne() {
    const std::map<pid_t, bool> shims = Shims();
    if (shims.empty()) return;
    if (random_() % 12 == 0) {
      system_->executor().process().Signal(SIGSTOP);
      for (const auto& [shim, live] : Shims()) {
        ++(live ? kills_["runs with a live agent when their executor was killed"] : idle_kills_);
      }
      system_->executor().process().Kill();
      StartExecutor();
    } else {
      const pid_t shim =
          std::next(shims.begin(), static_cast<long>(random_() % shims.size()))->first;
      if (::kill(shim, SIGSTOP) != 0) return;
      const std::map<pid_t, bool> now = Shims();
      const auto found = now.find(shim);
      ::kill(shim, SIGKILL);
      if (found == now.end()) return;
      ++(found->second ? kills_["shims killed while their agent lived"] : idle_kills_);
    }
  }

  std::string agent_;
  std::mt19937 random_{20'26};
  std::map<std::string, int> kills_;  // that hit a live agent
  int idle_kills_ = 0;                // before the start or after the end of the agent
};

TEST_P(ExecutorDeathLoop, EveryIncidentEndsOnceAndNoProcessSurvives) {
  if (InNamespace() && !NextChildLeadsPidNamespace()) {
    GTEST_SKIP() << "needs the right to make a PID namespace";
  }
  agent_ = MixedAgent();
  StartIngestFor(kSlots);
  StartExecutor();
  system_->AwaitAttached();
  const int runs = Runs();
  std::map<std::string, int> ends;
  for (int i = 0; i < runs; ++i) ends[system_->Submit("web-" + std::to_string(i))] = 0;

  const auto limit = std::chrono::steady_clock::now() + 2s * runs;
  int live = 0;
  while (Finished() < runs && std::chrono::steady_clock::now() < limit) {
    KillOne();
    std::this_thread::sleep_for(std::chrono::milliseconds(random_() % 60));
  }
  EXPECT_EQ(Finished(), runs);
  for (const auto& line : system_->ingest().log().With("Incident finished")) {
    ++ends[line.at("incident_id").get<std::string>()];
  }
  EXPECT_THAT(ends, SizeIs(runs)) << "none that was not submitted";
  for (const auto& [id, count] : ends) EXPECT_EQ(count, 1) << id;
  for (const auto& [what, count] : kills_) {
    std::cout << count << ' ' << what << '\n';
    live += count;
  }
  std::cout << idle_kills_ << " runs hit without a live agent\n"
            << runs << " incidents, " << live << " kills hit a live run\n";
  EXPECT_GE(live, runs / 5) << "a busy machine comes late to the kill";
  EXPECT_TRUE(Eventually([&] { return system_->Agents().empty(); }, 10s))
      << Describe(system_->Agents());
  const MetricsText scrape = system_->ingest().Metrics();
  EXPECT_EQ(scrape.Sum("incidents_leased") + scrape.Sum("queue_depth"), 0);
}

INSTANTIATE_TEST_SUITE_P(All, ExecutorDeathLoop,
                         ::testing::Values("OutsideANamespace", "InAPidNamespace"),
                         [](const auto& loop) { return std::string(loop.param); });

}  // namespace
}  // namespace runner
