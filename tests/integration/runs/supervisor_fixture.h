#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "common/loop/event_loop.h"
#include "common/observability/logger.h"
#include "executor/runs/supervisor.h"

namespace runner::executor {

// Runs many short agents through one supervisor and the real shim, in a directory of its own. The
// record of a finished run is acknowledged and its workspace removed, as in an executor that lives
// for months. The supervisor makes the test process the subreaper of all runs: at the end,
// waitpid(2) proves that no process is left, and no descriptor.
class SupervisorFixture : public ::testing::Test, public RunListener {
 protected:
  SupervisorFixture() {
    std::string pattern = std::filesystem::temp_directory_path() / "runner-supervisor-test.XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) {
      throw std::system_error(errno, std::generic_category(), pattern);
    }
    root_ = pattern;
    options_.timeout = std::chrono::seconds(20);
    options_.workspace_root = root_;
    options_.shim_path = RUNNER_SHIM_PATH;
  }
  ~SupervisorFixture() override {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  void SetUp() override { descriptors_before_ = OpenDescriptors(); }

  void TearDown() override {
    ExpectNoChildren();
    if (supervisor_) ExpectCountsAddUp();
    supervisor_.reset();
    event_loop_.reset();
    EXPECT_EQ(OpenDescriptors(), descriptors_before_);
  }

  // Creates the supervisor for this command; once in a test.
  void Supervise(std::vector<std::string> command) {
    options_.command = std::move(command);
    event_loop_ = std::make_unique<EventLoop>(clock_);
    supervisor_ = std::make_unique<Supervisor>(*event_loop_, options_,
                                               Logger(LogLevel::kError, LogFormat::kJson), *this);
  }

  // Runs this many agents more, `slots` at a time. The attempt of the lease is the number of the
  // run in this test, from 1 on. Calls `check` for each end. Fails the test if not all are over
  // within `limit`.
  using Check = std::function<void(const Lease&, const Outcome&)>;
  void RunMany(std::uint32_t runs, std::size_t slots, const Check& check, Duration limit) {
    check_ = check;
    last_run_ = started_runs_ + runs;
    const MonoTime deadline = event_loop_->Now().mono + limit;
    // Stop() cannot be undone, so a timer ends Run() by an exception.
    struct Done {};
    std::function<void()> look = [&] {
      if (finished_runs_ == last_run_ || event_loop_->Now().mono >= deadline) throw Done{};
      event_loop_->After(std::chrono::milliseconds(2), look);
    };
    event_loop_->After(Duration::zero(), look);
    for (std::size_t i = 0; i < slots; ++i) StartNext();
    try {
      event_loop_->Run();
    } catch (const Done&) {
    }
    check_ = nullptr;
    if (finished_runs_ == last_run_) return;
    ADD_FAILURE() << finished_runs_ << " of " << last_run_ << " runs within the time limit";
    EndWhatRuns();
  }

  static std::size_t OpenDescriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }

  static void ExpectNoChildren() {
    errno = 0;
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a process is still running";
    EXPECT_EQ(errno, ECHILD);
  }

  void OnRunStarted(const StartedRun& run) override { ++started_[run.lease]; }

  void OnRunFinished(const Lease& lease, const Outcome& outcome) override {
    // Start and end are reported once each.
    EXPECT_EQ(started_[lease], 1) << lease.attempt;
    started_.erase(lease);
    ++finished_runs_;
    if (check_) check_(lease, outcome);
    supervisor_->ForgetResult(lease);
    std::error_code error;
    std::filesystem::remove_all(root_ / lease.incident_id, error);
    EXPECT_FALSE(error) << error.message();
    if (check_) StartNext();
  }

  std::filesystem::path root_;
  AgentOptions options_;
  SystemClock clock_;
  std::unique_ptr<EventLoop> event_loop_;
  std::unique_ptr<Supervisor> supervisor_;
  std::uint32_t started_runs_ = 0;
  std::uint32_t finished_runs_ = 0;

 private:
  // One incident has one run at a time, so each run gets its own incident.
  static std::string IncidentId(std::uint32_t number) {
    char id[40];
    std::snprintf(id, sizeof id, "018f2d3c-7a10-7c4e-9b1e-%012u", number);
    return id;
  }

  void StartNext() {
    if (started_runs_ == last_run_) return;
    const std::uint32_t number = ++started_runs_;
    Incident incident;
    incident.id = IncidentId(number);
    incident.event.cluster = "prod";
    incident.event.fault_id = "fault-1";
    incident.event.fault_type = "CrashLoop";
    incident.event.resource = {"v1", "Pod", "web-0", "shop", "uid-1"};
    supervisor_->Start({incident.id, number}, incident);
  }

  // Ends the runs of a failed test.
  void EndWhatRuns() {
    supervisor_->KillAll();
    const MonoTime deadline = event_loop_->Now().mono + std::chrono::seconds(20);
    struct Done {};
    std::function<void()> look = [&] {
      if (supervisor_->active() == 0 || event_loop_->Now().mono >= deadline) throw Done{};
      event_loop_->After(std::chrono::milliseconds(2), look);
    };
    event_loop_->After(Duration::zero(), look);
    try {
      event_loop_->Run();
    } catch (const Done&) {
    }
  }

  void ExpectCountsAddUp() const {
    for (const auto& [cluster, counters] : supervisor_->counters().clusters()) {
      std::uint64_t completed = 0;
      for (const std::uint64_t count : counters.completed) completed += count;
      EXPECT_EQ(counters.spawned, completed + counters.active) << cluster;
    }
  }

  std::size_t descriptors_before_ = 0;
  std::uint32_t last_run_ = 0;
  Check check_;
  std::map<Lease, int> started_;  // of the active runs
};

}  // namespace runner::executor
