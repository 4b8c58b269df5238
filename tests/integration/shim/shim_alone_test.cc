// A shim without a supervisor: how it reacts to requests, and what it does without any.

#include <cerrno>
#include <thread>

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "executor/runs/shim_process.h"
#include "tests/integration/shim/run_fixture.h"

namespace runner::executor {
namespace {

using namespace std::chrono_literals;

class ShimAlone : public RunFixture {
 protected:
  void SetUp() override {
    RunFixture::SetUp();
    std::filesystem::create_directories(Workspace() / "output");
  }
  // A shim for `runner-test-agent MODE`.
  ShimProcess StartShim(const std::string& mode,
                        std::optional<MonoTime> lease_deadline = std::nullopt) {
    std::vector<std::string> argv = {RUNNER_SHIM, "--incident",  kIncidentId, "--attempt",
                                     "1",         "--workspace", Workspace(), "--spool",
                                     SpoolFile(), "--grace-ms",  "200",       "--max-output",
                                     "100000"};
    if (lease_deadline) {
      const std::string at = std::to_string(Duration(lease_deadline->time_since_epoch()).count());
      argv.insert(argv.end(), {"--lease-deadline-ns", at, "--stdin", "null"});
    }
    argv.insert(argv.end(), {"--", RUNNER_TEST_AGENT, mode});
    auto started = ShimProcess::Start(argv, {"RUNNER_WORKSPACE=" + Workspace().string()});
    return std::get<ShimProcess>(std::move(started));
  }
  // How the run ended; nothing if it has not ended within the limit. The shim has then exited.
  static std::optional<ShimRecord> AwaitRecord(const ShimProcess& shim, Duration limit = 10s) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    std::optional<ShimRecord> record;
    bool gone = false;
    while (!gone && std::chrono::steady_clock::now() < deadline) {
      gone = shim.Reap() != ShimEnd::kNotYet;
      while (const auto notice = shim.Receive()) {
        if (notice->event == ShimEvent::kFinished) record = notice->record;
      }
      std::this_thread::sleep_for(1ms);
    }
    if (gone) return record;
    shim.Kill();
    ::waitpid(shim.pid(), nullptr, 0);
    return std::nullopt;
  }
};

TEST_F(ShimAlone, AnIncidentThatWasReplacedByAFifoIsNotWaitedFor) {
  ASSERT_EQ(::mkfifo((Workspace() / "incident.json").c_str(), 0600), 0);
  const auto record = AwaitRecord(StartShim("exit"));
  ASSERT_TRUE(record) << "the open blocks";
  EXPECT_EQ(record->spawn_errno, EINVAL);
  EXPECT_TRUE(record->contained);
}

TEST_F(ShimAlone, StopsItsAgentAtTheLeaseDeadline) {
  const MonoTime lease_deadline = event_loop_->Now().mono + 500ms;
  const auto record = AwaitRecord(StartShim("obey-term", lease_deadline));
  const MonoTime now = event_loop_->Now().mono;
  ASSERT_TRUE(record);
  EXPECT_EQ(record->stopped, ShimStop::kLeaseDeadline);
  EXPECT_FALSE(record->timed_out);
  EXPECT_TRUE(record->contained);
  EXPECT_GE(now, lease_deadline);
  EXPECT_LT(now, lease_deadline + 2s) << "grace 0.2 s";
}

TEST_F(ShimAlone, ExtendingTheLeaseMovesTheDeadline) {
  const ShimProcess shim = StartShim("obey-term", event_loop_->Now().mono + 1s);
  MonoTime lease_deadline{};
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(100ms);
    lease_deadline = event_loop_->Now().mono + 1s;
    shim.ExtendLease(lease_deadline);
    ASSERT_EQ(shim.Reap(), ShimEnd::kNotYet);
  }
  const auto record = AwaitRecord(shim);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->stopped, ShimStop::kLeaseDeadline);
  EXPECT_GE(event_loop_->Now().mono, lease_deadline);
}

}  // namespace
}  // namespace runner::executor
