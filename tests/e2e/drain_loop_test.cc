// Repeated SIGTERM to both programs, in either order and at any time.

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/eventually.h"
#include "tests/support/process_table.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::IsEmpty;

class DrainLoop : public SystemTest {
 protected:
  static constexpr Duration kShutdownTimeout = 500ms;
  static constexpr Duration kGrace = 200ms;
  // As in the executor: kill grace, containment, delivery.
  static constexpr Duration kStopBudget = kGrace + 5s + 2s;
  static constexpr Duration kBudget = kShutdownTimeout + kStopBudget + 1s;

  // The number of rounds: RUNNER_DRAIN_LOOP_ROUNDS, or a small default.
  static int Rounds() {
    const char* const rounds = std::getenv("RUNNER_DRAIN_LOOP_ROUNDS");
    return rounds != nullptr ? std::atoi(rounds) : 50;
  }
  int Any(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
  void Pause(int most_ms) { std::this_thread::sleep_for(std::chrono::milliseconds(Any(most_ms))); }

  // A fast agent, a slower one, one that runs until SIGTERM, and one that ignores SIGTERM.
  std::string MixedAgent() {
    return system_->ScriptAgent(
        "case $RUNNER_RESOURCE_NAME in\n"
        "web-0) exit 0;;\n"
        "web-1) sleep 0.1;;\n"
        "web-2) exec " +
        system_->TestAgent() +
        " obey-term;;\n"
        "*) exec " +
        system_->TestAgent() + " ignore-term;;\nesac\n");
  }
  void StartBoth() {
    const Words timeout = {"--shutdown-timeout", "500ms"};
    Words ingest = {"--max-agents-per-cluster", "4"};
    Words executor = {"--agent-kill-grace", "200ms"};
    ingest.insert(ingest.end(), timeout.begin(), timeout.end());
    executor.insert(executor.end(), timeout.begin(), timeout.end());
    system_->StartIngest(ingest);
    system_->StartExecutor({MixedAgent()}, executor);
  }
  // In random order, with a random pause; each signal possibly twice.
  void Signal(std::vector<ServiceProcess*> services) {
    if (Any(2) == 0) std::swap(services.front(), services.back());
    for (ServiceProcess* service : services) {
      service->Terminate();
      if (Any(2) == 0) Pause(60);
    }
    if (Any(3) != 0) return;
    Pause(100);
    ++totals_["rounds with second signals"];
    for (ServiceProcess* service : services) service->process().Signal(Any(2) ? SIGTERM : SIGINT);
  }
  void ExpectExits(const std::vector<ServiceProcess*>& services) {
    const auto began = std::chrono::steady_clock::now();
    for (ServiceProcess* service : services) {
      const auto exit = service->WaitForExit(kBudget);
      ASSERT_TRUE(exit) << service->name() << " exceeds its budget";
      EXPECT_EQ(*exit, 0) << service->name();
      EXPECT_EQ(service->log().With("Shutdown complete").size(), 1u) << service->name();
    }
    slowest_ = std::max(slowest_, std::chrono::steady_clock::now() - began);
    EXPECT_LE(slowest_, kBudget);
  }

  void BothRound();
  void BackoffRound();
  void ExpectExecutorBooks(const LogFile& log);
  void ExpectIngestBooks(const LogFile& ingest, const LogFile& executor);

  std::mt19937 random_{20'26};
  std::map<std::string, int> totals_;
  std::chrono::steady_clock::duration slowest_{};
};

std::multiset<std::string> IdsOf(const std::vector<json>& lines) {
  std::multiset<std::string> ids;
  for (const json& line : lines) ids.insert(line.at("incident_id").get<std::string>());
  return ids;
}

// Every started agent has finished, interrupted ones are logged, and the counts of the last line
// are correct.
void DrainLoop::ExpectExecutorBooks(const LogFile& log) {
  const auto finished = IdsOf(log.With("Agent finished"));
  for (const std::string& id : IdsOf(log.With("Agent started"))) {
    EXPECT_EQ(finished.count(id), 1u) << id;
  }
  int in_drain = 0;
  bool draining = false;
  bool mid_spawn = false;
  std::multiset<std::string> interrupted;
  for (const json& line : log.Lines()) {
    const auto& message = line.at("msg");
    if (message == "Shutting down gracefully") {
      draining = true;
      if (line.at("in_flight_agents") > 0) ++totals_["rounds that hit agents"];
    }
    if (!draining) continue;
    if (message == "Agent started") mid_spawn = true;
    if (message == "Agent finished") {
      ++in_drain;
      if (line.at("status") == "interrupted") interrupted.insert(line.at("incident_id"));
    }
    if (message == "Shutdown complete") {
      EXPECT_EQ(line.at("agents_interrupted"), interrupted.size());
      EXPECT_EQ(line.at("agents_completed"), in_drain - static_cast<int>(interrupted.size()));
    }
  }
  std::multiset<std::string> logged;
  for (const json& line : log.With("Agents interrupted")) {
    for (const json& id : line.at("incident_ids")) logged.insert(id);
  }
  EXPECT_EQ(logged, interrupted);
  if (mid_spawn) ++totals_["rounds that hit a spawn"];
  if (!interrupted.empty()) ++totals_["rounds that interrupted agents"];
}

// No incident ends twice, each run is finished or requeued, and each lease has its end.
void DrainLoop::ExpectIngestBooks(const LogFile& ingest, const LogFile& executor) {
  const auto finished = IdsOf(ingest.With("Incident finished"));
  for (const std::string& id : finished) EXPECT_EQ(finished.count(id), 1u) << id;
  const auto requeued = IdsOf(ingest.With("Incident requeued"));
  const auto leased = IdsOf(ingest.With("Incident leased"));
  if (ingest.Has("Incident requeued", {{"reason", "rejected: draining"}})) {
    ++totals_["rounds in which an offer was refused"];
  }
  if (executor.Has("Results not delivered")) {
    ++totals_["rounds with undelivered results"];
    return;
  }
  for (const json& line : executor.With("Agent finished")) {
    const std::string id = line.at("incident_id");
    EXPECT_EQ((line.at("status") == "interrupted" ? requeued : finished).count(id), 1u)
        << line.dump();
  }
  EXPECT_LE(finished.size() + requeued.size(), leased.size());
  if (finished.size() + requeued.size() < leased.size()) ++totals_["rounds with an offer lost"];
}

void DrainLoop::BothRound() {
  StartBoth();
  if (Any(8) != 0) system_->AwaitAttached();
  const int incidents = Any(5);
  for (int i = 0; i < incidents; ++i) system_->Submit("web-" + std::to_string(i));
  if (Any(2) == 0) Pause(300);  // otherwise during the first starts
  if (Any(4) == 0) ExpectBalance();
  ServiceProcess& ingest = system_->ingest();
  ServiceProcess& executor = system_->executor();
  Signal({&ingest, &executor});
  ExpectExits({&executor, &ingest});
  ExpectExecutorBooks(executor.log());
  ExpectIngestBooks(ingest.log(), executor.log());
}

// The executor is in reconnect backoff.
void DrainLoop::BackoffRound() {
  StartBoth();
  system_->AwaitAttached();
  const int incidents = Any(5);
  for (int i = 0; i < incidents; ++i) system_->Submit("web-" + std::to_string(i));
  Pause(50);
  system_->ingest().process().Kill();
  ServiceProcess& executor = system_->executor();
  ASSERT_TRUE(Eventually([&] { return executor.log().Has("Not attached to ingest, retrying"); }));
  Pause(100);
  Signal({&executor});
  ExpectExits({&executor});
  ExpectExecutorBooks(executor.log());
  ++totals_["rounds in reconnect backoff"];
}

TEST_F(DrainLoop, BothProgramsExitWithinTheirBudgetInAnyState) {
  const int rounds = Rounds();
  for (int i = 0; i < rounds && !HasFailure(); ++i) {
    SCOPED_TRACE("round " + std::to_string(i));
    system_ = std::make_unique<System>();
    Any(5) == 0 ? BackoffRound() : BothRound();
    EXPECT_THAT(system_->Agents(), IsEmpty()) << Describe(system_->Agents());
    const std::string tails = HasFailure() ? system_->LogTails() : "";
    EXPECT_EQ(system_->Stop(), "");
    EXPECT_THAT(ReapUntilAlone(1s), IsEmpty()) << tails;
    if (HasFailure()) std::cout << tails;
  }
  std::cout << rounds << " rounds\n";
  for (const auto& [what, count] : totals_) std::cout << count << ' ' << what << '\n';
  std::cout << "slowest end " << std::chrono::duration<double>(slowest_).count() << " s\n";
  EXPECT_GE(totals_["rounds that hit agents"], rounds / 5);
  EXPECT_GE(totals_["rounds that hit a spawn"], rounds / 25);
  EXPECT_GE(totals_["rounds in reconnect backoff"], rounds / 10);
}

}  // namespace
}  // namespace runner
