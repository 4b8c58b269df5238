#include "ingest/core/circuit_breaker.h"

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "ingest/core/hourly_run_limit.h"
#include "tests/sim/rules.h"
#include "tests/support/times.h"

namespace runner::ingest {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using State = CircuitBreaker::State;

class CircuitBreakerTest : public ::testing::Test {
 protected:
  // Leases and ends one run.
  void Run(std::optional<RunStatus> status) {
    ASSERT_TRUE(breaker_.AdmitsLease());
    breaker_.OnLeaseEnded(breaker_.OnLeased(), status, now_);
  }
  void Open() {
    for (int i = 0; i < 3; ++i) Run(RunStatus::kFailure);
  }
  void CoolDown() {
    now_ += minutes(1);
    EXPECT_TRUE(breaker_.OnTimer(now_));
  }

  CircuitBreaker breaker_{{}};
  MonoTime now_ = kStart;
};

TEST_F(CircuitBreakerTest, OpensAfterThreeConsecutiveFailuresOrTimeouts) {
  Run(RunStatus::kFailure);
  Run(RunStatus::kTimeout);
  EXPECT_EQ(breaker_.state(), State::kClosed);
  Run(RunStatus::kFailure);
  EXPECT_EQ(breaker_.state(), State::kOpen);
  EXPECT_FALSE(breaker_.AdmitsLease());
  EXPECT_EQ(breaker_.failures(), 3u);
}

TEST_F(CircuitBreakerTest, ASuccessResetsTheCount) {
  for (int i = 0; i < 10; ++i) {
    Run(RunStatus::kFailure);
    Run(RunStatus::kFailure);
    Run(RunStatus::kSuccess);
  }
  EXPECT_EQ(breaker_.state(), State::kClosed);
}

TEST_F(CircuitBreakerTest, OtherResultsCountAsNeitherSuccessNorFailure) {
  Run(RunStatus::kFailure);
  Run(RunStatus::kFailure);
  Run(RunStatus::kInterrupted);
  Run(RunStatus::kCancelled);
  Run(std::nullopt);
  EXPECT_EQ(breaker_.state(), State::kClosed);
  Run(RunStatus::kFailure);
  EXPECT_EQ(breaker_.state(), State::kOpen);
}

TEST_F(CircuitBreakerTest, IsHalfOpenAfterTheCooldown) {
  Open();
  EXPECT_EQ(breaker_.NextDeadline(), now_ + minutes(1));
  EXPECT_FALSE(breaker_.OnTimer(now_ + seconds(59)));
  CoolDown();
  EXPECT_EQ(breaker_.state(), State::kHalfOpen);
  EXPECT_EQ(breaker_.NextDeadline(), std::nullopt);
}

TEST_F(CircuitBreakerTest, AdmitsOneProbeAtATime) {
  Open();
  CoolDown();
  EXPECT_TRUE(breaker_.AdmitsLease());
  const auto generation = breaker_.OnLeased();
  EXPECT_FALSE(breaker_.AdmitsLease());
  for (const auto status : {std::optional(RunStatus::kInterrupted),
                            std::optional(RunStatus::kCancelled), std::optional<RunStatus>()}) {
    breaker_.OnLeaseEnded(generation, status, now_);
    EXPECT_EQ(breaker_.state(), State::kHalfOpen);
    EXPECT_TRUE(breaker_.AdmitsLease()) << "the next probe is admitted";
    breaker_.OnLeased();
  }
}

TEST_F(CircuitBreakerTest, ASuccessfulProbeClosesIt) {
  Open();
  CoolDown();
  Run(RunStatus::kSuccess);
  EXPECT_EQ(breaker_.state(), State::kClosed);
  EXPECT_EQ(breaker_.failures(), 0u);
}

TEST_F(CircuitBreakerTest, AFailedProbeOpensItForAnotherCooldown) {
  Open();
  CoolDown();
  now_ += seconds(10);
  Run(RunStatus::kTimeout);
  EXPECT_EQ(breaker_.state(), State::kOpen);
  EXPECT_EQ(breaker_.NextDeadline(), now_ + minutes(1));
}

TEST_F(CircuitBreakerTest, ResultsFromBeforeTheOpeningAreIgnored) {
  const auto before = breaker_.OnLeased();
  Open();
  EXPECT_FALSE(breaker_.OnLeaseEnded(before, RunStatus::kSuccess, now_));
  CoolDown();
  const auto probe = breaker_.OnLeased();
  EXPECT_FALSE(breaker_.OnLeaseEnded(before, RunStatus::kFailure, now_));
  EXPECT_FALSE(breaker_.AdmitsLease()) << "the probe still runs";
  EXPECT_TRUE(breaker_.OnLeaseEnded(probe, RunStatus::kSuccess, now_));
  breaker_.OnLeaseEnded(before, RunStatus::kFailure, now_);
  EXPECT_EQ(breaker_.failures(), 0u);
}

TEST_F(CircuitBreakerTest, AThresholdOfZeroNeverOpens) {
  CircuitBreaker breaker({.threshold = 0});
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(breaker.OnLeaseEnded(breaker.OnLeased(), RunStatus::kFailure, now_));
  }
  EXPECT_TRUE(breaker.AdmitsLease());
}

TEST(CircuitBreakerModel, AgreesWithAModelOfEveryLease) {
  const bool holds = rc::check("breaker equals model", [] {
    const CircuitBreaker::Options options{.threshold = 2, .cooldown = seconds(30)};
    CircuitBreaker breaker(options);
    sim::BreakerRule rule(options);
    MonoTime now = kStart;
    std::map<std::string, CircuitBreaker::Generation> leases;
    const auto steps = *rc::gen::container<std::vector<std::tuple<int, int, int>>>(
        rc::gen::tuple(rc::gen::inRange(0, 6), rc::gen::inRange(0, 4), rc::gen::inRange(0, 20)));
    for (const auto& [what, which, passed] : steps) {
      now += seconds(passed);
      const std::string id = "i" + std::to_string(which);
      if (rule.state() == State::kOpen && now >= rule.until()) {
        RC_ASSERT(breaker.OnTimer(now));
        rule.HalfOpen();
      } else {
        RC_ASSERT(!breaker.OnTimer(now));
      }
      if (what == 5) {
        breaker.Reset();
        rule.Reset();
      } else if (!leases.contains(id)) {
        RC_ASSERT(breaker.AdmitsLease() == rule.AdmitsLease());
        if (!rule.AdmitsLease()) continue;
        leases[id] = breaker.OnLeased();
        rule.Leased(id, now);
      } else {
        const auto status = what == 4 ? std::nullopt : std::optional(static_cast<RunStatus>(what));
        breaker.OnLeaseEnded(leases.at(id), status, now);
        rule.Ended(id, status, now);
        leases.erase(id);
      }
      RC_ASSERT(breaker.state() == rule.state());
      RC_ASSERT(breaker.failures() == rule.failures());
    }
  });
  EXPECT_TRUE(holds);
}

TEST(HourlyRunLimitModel, AgreesWithAModelOfEveryRun) {
  const bool holds = rc::check("rate equals model", [] {
    const auto limit = *rc::gen::inRange<std::size_t>(0, 4);
    HourlyRunLimit rate(limit);
    sim::RateRule rule(limit);
    MonoTime now = kStart;
    std::map<std::string, MonoTime> began;
    int last = 0;
    const auto steps = *rc::gen::container<std::vector<std::pair<int, int>>>(
        rc::gen::pair(rc::gen::inRange(0, 4), rc::gen::inRange(0, 40)));
    for (const auto& [what, passed] : steps) {
      now += minutes(passed);
      rate.Forget(now);
      const auto next = rate.NextDeadline();
      RC_ASSERT(next.has_value() != rule.Admits(now));
      RC_ASSERT(!next || (rule.Admits(*next) && !rule.Admits(*next - Duration(1))));
      if (what == 0 && !began.empty()) {
        rate.Withdraw(began.begin()->second);
        rule.Withdraw(began.begin()->first);
        began.erase(began.begin());
      } else if (rule.Admits(now)) {
        const std::string id = "i" + std::to_string(++last);
        began[id] = now;
        rate.Begin(now);
        rule.Begin(id, now);
      }
    }
  });
  EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace runner::ingest
