// Random histories: whatever happens, in whatever order, the equations and limits hold after every
// step, and once everything calms down every incident has ended.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/ingest/scheduler_fixture.h"

namespace runner::ingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kHistories = 2000;
constexpr int kSteps = 60;

class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed), driver_(RandomOptions()) {}

  void Run() {
    for (int i = 0; i < kSteps && !::testing::Test::HasFailure(); ++i) {
      Step();
    }
    if (!::testing::Test::HasFailure()) Settle();
  }

 private:
  std::size_t Below(std::size_t n) { return random_() % n; }
  bool Chance(int percent) { return Below(100) < static_cast<std::size_t>(percent); }

  SchedulerOptions RandomOptions() {
    SchedulerOptions options = OptionsFor(1 + Below(3));
    options.cluster_queue_size = Below(5);
    options.overflow_policy =
        Chance(50) ? OverflowPolicy::kDropOldest : OverflowPolicy::kRejectNewest;
    options.max_concurrent_agents = 1 + Below(4);
    options.max_agents_per_cluster = 1 + Below(2);
    options.max_attempts = static_cast<std::uint32_t>(1 + Below(3));
    options.max_interruptions = static_cast<std::uint32_t>(1 + Below(3));
    options.max_queue_age = seconds(20 + Below(200));
    options.history_count = 1 + Below(50);
    return options;
  }

  void Step() {
    switch (Below(14)) {
      case 0:
      case 1:
      case 2:
        driver_.Event(Below(driver_.options().clusters.size()),
                      SchedulerDriver::Fault(static_cast<Severity>(Below(5))));
        break;
      case 3:
        driver_.Invalid(Below(driver_.options().clusters.size()), "json", std::nullopt);
        break;
      case 4:
        Hello();
        break;
      case 5:
        driver_.Credits(AnyStream(), Below(12));
        break;
      case 6:
        driver_.Accept(AnyStream(), AnyLease());
        break;
      case 7:
        driver_.Started(AnyStream(), AnyLease());
        break;
      case 8:
      case 9:
        driver_.Result(AnyStream(), AnyLease(), static_cast<RunStatus>(Below(5)));
        break;
      case 10:
        driver_.Reject(AnyStream(), AnyLease());
        break;
      case 11:
        driver_.StreamClosed(AnyStream());
        break;
      case 12:
        if (Chance(20)) driver_.Draining(AnyStream());
        if (Chance(3)) driver_.BeginDrain();
        break;
      default:
        driver_.Pass(milliseconds(Below(30'000)));
        driver_.Timer();
    }
  }

  // A new stream of one of three executors; it lists some true leases and some false ones.
  void Hello() {
    HelloInfo hello =
        SchedulerDriver::HelloOf("e" + std::to_string(Below(3)), static_cast<std::uint32_t>(4));
    hello.sidecar = Chance(50);
    std::set<Lease> listed;
    const auto& executors = driver_.scheduler().leases().executors();
    if (const auto known = executors.find(hello.executor_id); known != executors.end()) {
      for (const auto& [id, attempt] : known->second.leases) {
        if (Chance(70)) listed.insert({id, attempt});
      }
    }
    if (Chance(30)) listed.insert(AnyLease());
    for (const Lease& lease : listed) {
      (Chance(70) ? hello.running : hello.results_waiting).push_back(lease);
    }
    driver_.Hello(++last_stream_, hello);
    EXPECT_EQ(driver_.Only<SendWelcome>().decisions.size(), listed.size());
    if (Chance(80)) driver_.Credits(last_stream_, 1 + Below(4));
  }

  // Mostly a true pair of stream and lease, sometimes none.
  StreamId AnyStream() {
    if (Chance(10) || last_stream_ == 0) return 1 + Below(last_stream_ + 2);
    const auto& leases = driver_.scheduler().leases().leases();
    if (Chance(70) && !leases.empty()) {
      const auto& held = std::next(leases.begin(), static_cast<long>(Below(leases.size())))->second;
      chosen_ = held.lease;
      const StreamId stream = driver_.scheduler().leases().executors().at(held.executor_id).stream;
      if (stream != kNoStream) return stream;
    }
    return 1 + Below(last_stream_);
  }
  Lease AnyLease() {
    if (Chance(80) && !chosen_.incident_id.empty()) return chosen_;
    const std::set<Lease>& offered = driver_.offered();
    if (offered.empty() || Chance(10)) return {"nobody", 1};
    return *std::next(offered.begin(), static_cast<long>(Below(offered.size())));
  }
  // Time passes and no executor comes: every incident ends, nothing is left to wait for.
  void Settle() {
    for (StreamId stream = 1; stream <= last_stream_; ++stream) driver_.StreamClosed(stream);
    driver_.PassWithTimers(minutes(60));
    for (ClusterIndex i = 0; i < driver_.options().clusters.size(); ++i) {
      EXPECT_EQ(driver_.Depth(i), 0u);
      EXPECT_EQ(driver_.Leased(i), 0u);
    }
    EXPECT_TRUE(driver_.scheduler().leases().executors().empty());
    EXPECT_EQ(driver_.scheduler().NextDeadline(), std::nullopt);
  }

  std::mt19937_64 random_;
  SchedulerDriver driver_;
  StreamId last_stream_ = 0;
  Lease chosen_;
};

TEST(SchedulerHistory, InvariantsHoldInRandomHistories) {
  std::random_device device;
  const std::uint64_t first = device();
  for (std::uint64_t seed = first; seed < first + kHistories; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History(seed).Run();
    if (HasFailure()) return;
  }
}

TEST(SchedulerHistory, SameInputsGiveTheSameHistory) {
  const auto run = [] {
    SchedulerDriver driver(OptionsFor(2));
    std::string told;
    for (int i = 0; i < 5; ++i) driver.Queue(i % 2);
    driver.Attach(1, "a", 2);
    for (const SendOffer& offer : driver.All<SendOffer>()) told += offer.lease.incident_id + " ";
    return told;
  };
  EXPECT_EQ(run(), run());
}

}  // namespace
}  // namespace runner::ingest
