#include "executor/core/executor.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "executor/core/time_budget.h"

namespace runner::executor {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Timers whose time the test advances.
class ManualTimers final : public Timers {
 public:
  void Post(Task task) override { task(); }
  TimerId At(MonoTime at, Task task) override {
    timers_.emplace(std::pair{at, ++last_}, std::move(task));
    return last_;
  }
  void Cancel(TimerId id) override {
    std::erase_if(timers_, [id](const auto& entry) { return entry.first.second == id; });
  }
  Instant Now() const override { return now_; }

  void Pass(Duration time) {
    const MonoTime end = now_.mono + time;
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      auto next = timers_.extract(timers_.begin());
      now_.mono = std::max(now_.mono, next.key().first);
      next.mapped()();
    }
    now_.mono = end;
  }
  // As during SIGSTOP: no due timer fires.
  void PassStopped(Duration time) { now_.mono += time; }

 private:
  Instant now_{MonoTime(std::chrono::hours(1)), WallTime(std::chrono::hours(500'000))};
  std::map<std::pair<MonoTime, TimerId>, Task> timers_;
  TimerId last_ = kNoTimer;
};

// Records the sent messages.
class RecordingChannel final : public IngestChannel {
 public:
  void Open(dispatch::Hello hello, IngestChannelListener& listener) override {
    hellos.push_back(std::move(hello));
    listener_ = &listener;
  }
  void Send(dispatch::ExecutorMessage message) override { sent.push_back(std::move(message)); }
  void Close() override { closed = true; }
  void Cancel() override { cancelled = true; }

  void Receive(const dispatch::IngestMessage& message) { listener_->OnMessage(message); }
  void End(bool superseded = false) { listener_->OnEnded(superseded, "gone"); }
  template <typename Message>
  std::vector<Message> All() const {
    std::vector<Message> found;
    for (const dispatch::ExecutorMessage& one : sent) {
      if (const auto* message = std::get_if<Message>(&one)) found.push_back(*message);
    }
    return found;
  }

  std::vector<dispatch::Hello> hellos;
  std::vector<dispatch::ExecutorMessage> sent;
  bool closed = false;
  bool cancelled = false;

 private:
  IngestChannelListener* listener_ = nullptr;
};

// Runs that the test ends.
class RecordingSupervisor final : public RunSupervisor {
 public:
  bool Start(const Lease& lease, const Incident&) override {
    return !is_short && runs.insert(lease).second;
  }
  void Stop(const Lease& lease, StopReason reason) override { stopped.emplace_back(lease, reason); }
  void KillAll() override { killed = true; }
  void ExtendLeases(MonoTime at) override { deadline = at; }
  void ForgetResult(const Lease& lease) override { forgotten.push_back(lease); }
  std::size_t active() const override { return runs.size(); }
  std::vector<StartedRun> Started() const override { return {}; }
  bool tainted() const override { return is_tainted; }

  bool is_short = false;
  bool is_tainted = false;
  bool killed = false;
  std::set<Lease> runs;
  std::vector<std::pair<Lease, StopReason>> stopped;
  std::vector<Lease> forgotten;
  std::optional<MonoTime> deadline;
};

class ExecutorTest : public ::testing::Test {
 protected:
  static constexpr Duration kShutdownTimeout = seconds(30);

  explicit ExecutorTest(bool sidecar = false)
      : executor_(
            {"e", "boot", "1", 100, sidecar, seconds(5), "ingest:1"}, timers_, channel_,
            supervisor_, [] { return 0.5; }, Logger()) {
    executor_.OnDrain(kShutdownTimeout, [this] { drained_ = true; });
  }

  void Welcome() {
    dispatch::Welcome welcome;
    welcome.keep_alive_interval = seconds(5);
    welcome.lease_ttl = seconds(60);
    channel_.Receive(welcome);
  }
  void Attach(std::vector<std::pair<Lease, Outcome>> results = {}) {
    executor_.Start(std::move(results));
    Welcome();
  }
  static Lease LeaseOf(const std::string& id, std::uint32_t attempt = 1) { return {id, attempt}; }
  void Offer(const Lease& lease) {
    Incident incident;
    incident.id = lease.incident_id;
    channel_.Receive(dispatch::Offer{lease, incident});
  }
  void Finish(const Lease& lease, RunStatus status = RunStatus::kSuccess) {
    supervisor_.runs.erase(lease);
    Outcome outcome;
    outcome.status = status;
    outcome.contained = true;
    executor_.OnRunFinished(lease, outcome);
  }

  ManualTimers timers_;
  RecordingChannel channel_;
  RecordingSupervisor supervisor_;
  bool drained_ = false;
  Executor executor_;
};

class SidecarTest : public ExecutorTest {
 protected:
  SidecarTest() : ExecutorTest(true) {}
};

TEST_F(ExecutorTest, SendsHelloWithItsLeasesAfterALostStream) {
  Attach();
  Offer(LeaseOf("a"));
  Offer(LeaseOf("b"));
  Finish(LeaseOf("b"));
  channel_.End();
  EXPECT_FALSE(executor_.attached());
  timers_.Pass(seconds(10));
  ASSERT_EQ(channel_.hellos.size(), 2u);
  EXPECT_EQ(channel_.hellos[1].running, std::vector<Lease>{LeaseOf("a")});
  EXPECT_EQ(channel_.hellos[1].results_waiting, std::vector<Lease>{LeaseOf("b")});
  EXPECT_EQ(channel_.hellos[1].boot_id, "boot");
}

TEST_F(ExecutorTest, EndsAStreamWithoutAWelcomeInTime) {
  executor_.Start({});
  timers_.Pass(time_budget::kWelcome);
  EXPECT_TRUE(channel_.cancelled);
}

TEST_F(ExecutorTest, EndsAStreamWithoutKeepAliveAcks) {
  Attach();
  timers_.Pass(seconds(60));
  EXPECT_FALSE(channel_.cancelled);
  timers_.Pass(seconds(10));
  EXPECT_TRUE(channel_.cancelled);
}

TEST_F(ExecutorTest, RunsEndBeforeIngestLeasesTheIncidentsAgain) {
  const MonoTime dialled = timers_.Now().mono;
  Attach();
  const Duration after = seconds(60) - time_budget::Stop(seconds(5)) - time_budget::kClockMargin;
  EXPECT_EQ(supervisor_.deadline, dialled + after);
  timers_.Pass(seconds(5));
  const MonoTime sent = timers_.Now().mono;
  timers_.PassStopped(seconds(20));  // the answer waits: it is as old as the keep-alive
  channel_.Receive(dispatch::KeepAliveAck{channel_.All<dispatch::KeepAlive>().back().seq});
  EXPECT_EQ(supervisor_.deadline, sent + after);
}

TEST_F(SidecarTest, SidecarHasNoLeaseDeadline) {
  Attach();
  EXPECT_EQ(supervisor_.deadline, std::nullopt);
  timers_.PassStopped(std::chrono::hours(1));
  Offer(LeaseOf("a"));
  EXPECT_TRUE(supervisor_.runs.contains(LeaseOf("a")));
}

TEST_F(ExecutorTest, RejectsAnOfferReadAfterTheLeaseDeadline) {
  Attach();
  timers_.PassStopped(seconds(60));
  Offer(LeaseOf("a"));
  EXPECT_TRUE(supervisor_.runs.empty()) << "ingest may have leased it to another executor";
  const auto rejected = channel_.All<dispatch::Rejected>();
  ASSERT_EQ(rejected.size(), 1u);
  EXPECT_EQ(rejected[0].reason, dispatch::RejectReason::kLate);
  EXPECT_EQ(channel_.All<dispatch::Credits>().back().total, 101u) << "the slot is free again";
}

TEST_F(ExecutorTest, DoesNotStartAWaitingAttemptAfterTheLeaseDeadline) {
  Attach();
  Offer(LeaseOf("a", 1));
  channel_.Receive(dispatch::Cancel{LeaseOf("a", 1), dispatch::CancelReason::kStale});
  Offer(LeaseOf("a", 2));
  timers_.PassStopped(seconds(60));
  Finish(LeaseOf("a", 1), RunStatus::kCancelled);
  EXPECT_TRUE(supervisor_.runs.empty());
  EXPECT_EQ(channel_.All<dispatch::Result>().back().lease, LeaseOf("a", 2));
  EXPECT_EQ(channel_.All<dispatch::Result>().back().outcome.reason, "lease_deadline");
}

TEST_F(ExecutorTest, RejectsAWelcomeWithTooShortALease) {
  executor_.Start({});
  dispatch::Welcome welcome;
  welcome.keep_alive_interval = seconds(5);
  welcome.lease_ttl = seconds(29);
  channel_.Receive(welcome);
  EXPECT_TRUE(channel_.cancelled);
  EXPECT_FALSE(executor_.attached());
}

TEST_F(ExecutorTest, RejectsAnOfferWhenResourcesAreShort) {
  Attach();
  supervisor_.is_short = true;
  Offer(LeaseOf("a"));
  ASSERT_EQ(channel_.All<dispatch::Rejected>().size(), 1u);
  EXPECT_EQ(channel_.All<dispatch::Rejected>()[0].reason, dispatch::RejectReason::kShortage);
  EXPECT_EQ(channel_.All<dispatch::Credits>().back().total, 101u);
}

TEST_F(ExecutorTest, AnotherAttemptWaitsForTheWorkspaceOfTheFirst) {
  Attach();
  Offer(LeaseOf("a", 1));
  channel_.Receive(dispatch::Cancel{LeaseOf("a", 1), dispatch::CancelReason::kStale});
  Offer(LeaseOf("a", 2));
  EXPECT_EQ(executor_.waiting(), 1u);
  EXPECT_FALSE(supervisor_.runs.contains(LeaseOf("a", 2)));
  Finish(LeaseOf("a", 1), RunStatus::kCancelled);
  EXPECT_TRUE(supervisor_.runs.contains(LeaseOf("a", 2)));
}

TEST_F(ExecutorTest, SendsAtMost64ResultsBeforeTheyAreAcknowledged) {
  std::vector<std::pair<Lease, Outcome>> results;
  for (int i = 0; i < 100; ++i) results.emplace_back(LeaseOf("r" + std::to_string(i)), Outcome{});
  Attach(std::move(results));
  EXPECT_EQ(channel_.All<dispatch::Result>().size(), 64u);
  for (std::size_t i = 0; i < 100; ++i) {
    ASSERT_LT(i, channel_.All<dispatch::Result>().size());
    channel_.Receive(dispatch::ResultAck{channel_.All<dispatch::Result>()[i].lease});
  }
  std::set<Lease> sent;
  for (const auto& result : channel_.All<dispatch::Result>()) {
    EXPECT_TRUE(sent.insert(result.lease).second) << "sent twice";
  }
  EXPECT_EQ(sent.size(), 100u);
  EXPECT_EQ(supervisor_.forgotten.size(), 100u);
}

TEST_F(ExecutorTest, ExitsIfAnotherExecutorHasItsId) {
  Attach();
  Offer(LeaseOf("a"));
  channel_.End(true);
  EXPECT_TRUE(executor_.draining());
  ASSERT_EQ(supervisor_.stopped.size(), 1u);
  Finish(LeaseOf("a"), RunStatus::kCancelled);
  EXPECT_TRUE(drained_);
  EXPECT_EQ(executor_.exit_code(), Executor::kExitSuperseded);
  timers_.Pass(seconds(60));
  EXPECT_EQ(channel_.hellos.size(), 1u) << "it does not reconnect";
}

TEST_F(ExecutorTest, ExitsIfARunCannotBeContained) {
  Attach();
  Offer(LeaseOf("a"));
  Offer(LeaseOf("b"));
  supervisor_.is_tainted = true;
  Finish(LeaseOf("a"), RunStatus::kFailure);
  EXPECT_TRUE(executor_.draining());
  EXPECT_TRUE(supervisor_.stopped.empty()) << "the other run may end by itself";
  channel_.Receive(dispatch::ResultAck{LeaseOf("a")});
  Finish(LeaseOf("b"));
  channel_.Receive(dispatch::ResultAck{LeaseOf("b")});
  EXPECT_TRUE(channel_.closed);
  EXPECT_EQ(executor_.exit_code(), Executor::kExitTainted);
}

TEST_F(ExecutorTest, TheSecondSignalInterruptsAndTheThirdKills) {
  Attach();
  Offer(LeaseOf("a"));
  executor_.OnSignal("SIGTERM");
  EXPECT_EQ(channel_.All<dispatch::Draining>().size(), 1u);
  EXPECT_TRUE(supervisor_.stopped.empty());
  Offer(LeaseOf("b"));
  EXPECT_EQ(channel_.All<dispatch::Rejected>().back().reason, dispatch::RejectReason::kDraining);
  executor_.OnSignal("SIGTERM");
  ASSERT_EQ(supervisor_.stopped.size(), 1u);
  EXPECT_EQ(supervisor_.stopped[0].second, StopReason::kInterrupted);
  EXPECT_FALSE(supervisor_.killed);
  executor_.OnSignal("SIGTERM");
  EXPECT_TRUE(supervisor_.killed);
}

TEST_F(ExecutorTest, ADrainWaitsForRunsUpToItsTimeoutAndForResultsTwoSecondsMore) {
  Attach();
  Offer(LeaseOf("a"));
  executor_.OnSignal("SIGTERM");
  for (int i = 0; i < 6; ++i) {
    timers_.Pass(seconds(5));
    channel_.Receive(dispatch::KeepAliveAck{channel_.All<dispatch::KeepAlive>().back().seq});
  }
  ASSERT_EQ(supervisor_.stopped.size(), 1u);
  Finish(LeaseOf("a"), RunStatus::kInterrupted);
  EXPECT_FALSE(channel_.closed) << "its result is not acknowledged";
  timers_.Pass(time_budget::kDelivery);
  EXPECT_TRUE(channel_.closed);
  channel_.End();
  EXPECT_TRUE(drained_);
  EXPECT_EQ(executor_.exit_code(), 0);
}

}  // namespace
}  // namespace runner::executor
