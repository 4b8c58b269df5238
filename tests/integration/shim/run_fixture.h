#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/loop/event_loop.h"
#include "executor/runs/supervisor.h"

namespace runner::executor {

inline constexpr const char* kIncidentId = "018f2d3c-7a10-7c4e-9b1e-0123456789ab";

// Runs the test agent through a supervisor and the real shim, in a directory of its own. The test
// process is the subreaper of all runs: at the end, waitpid(2) proves that no process is left, and
// no descriptor.
class RunFixture : public ::testing::Test, public RunListener {
 protected:
  RunFixture();
  ~RunFixture() override;
  void SetUp() override;
  void TearDown() override;

  static Lease LeaseOf(std::uint32_t attempt = 1) { return {kIncidentId, attempt}; }
  static Incident SomeIncident();

  // Replaces the supervisor after a change of options_.
  void Restart();
  // Destroys the supervisor as the death of the executor does: its sockets close.
  void Abandon() { supervisor_.reset(); }

  // Starts `runner-test-agent ARGUMENTS...`.
  void StartAgent(const std::vector<std::string>& arguments, const Lease& lease = LeaseOf());
  // Runs the loop until the condition holds; fails the test after `limit`.
  void RunUntil(const std::function<bool()>& condition, Duration limit = std::chrono::seconds(55));
  Outcome AwaitOutcome(const Lease& lease = LeaseOf());
  // Starts the agent and waits for its end.
  Outcome RunAgent(const std::vector<std::string>& arguments);
  // Waits until the agent has written `text` to its stdout.
  void AwaitOutput(const std::string& text);

  std::filesystem::path Workspace() const { return root_ / kIncidentId; }
  static std::string Read(const std::filesystem::path& file);
  std::string Stdout() const { return Read(Workspace() / "agent.stdout.log"); }
  nlohmann::json ResultJson() const;
  std::filesystem::path SpoolFile(const Lease& lease = LeaseOf()) const;

  void OnRunStarted(const StartedRun& run) override;
  void OnRunFinished(const Lease& lease, const Outcome& outcome) override;

  const Logger logger_{LogLevel::kError, LogFormat::kJson};
  SystemClock clock_;
  std::unique_ptr<EventLoop> event_loop_;
  std::filesystem::path root_;
  AgentOptions options_;
  std::unique_ptr<Supervisor> supervisor_;
  std::map<Lease, pid_t> started_;
  std::map<Lease, Outcome> finished_;

 private:
  std::size_t descriptors_before_ = 0;
};

}  // namespace runner::executor
