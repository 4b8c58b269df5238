#include "tests/integration/shim/run_fixture.h"

#include <cerrno>
#include <fstream>
#include <iterator>

#include <sys/prctl.h>
#include <sys/wait.h>

namespace runner::executor {
namespace {

using namespace std::chrono_literals;

std::size_t OpenDescriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

}  // namespace

RunFixture::RunFixture() {
  std::string pattern = std::filesystem::temp_directory_path() / "runner-shim-test.XXXXXX";
  root_ = ::mkdtemp(pattern.data());
  options_.command = {RUNNER_TEST_AGENT};
  options_.timeout = 20s;
  options_.kill_grace = 5s;
  options_.workspace_root = root_;
  options_.shim_path = RUNNER_SHIM;
}

RunFixture::~RunFixture() { std::filesystem::remove_all(root_); }

void RunFixture::SetUp() {
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
  descriptors_before_ = OpenDescriptors();
  event_loop_ = std::make_unique<EventLoop>(clock_);
  Restart();
}

void RunFixture::TearDown() {
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a process is still running";
  EXPECT_EQ(errno, ECHILD);
  if (supervisor_) {
    for (const auto& [cluster, counters] : supervisor_->counters().clusters()) {
      std::uint64_t completed = 0;
      for (const std::uint64_t count : counters.completed) completed += count;
      EXPECT_EQ(counters.spawned, completed + counters.active) << cluster;
    }
  }
  supervisor_.reset();
  event_loop_.reset();
  EXPECT_EQ(OpenDescriptors(), descriptors_before_);
}

Incident RunFixture::SomeIncident() {
  Incident incident;
  incident.id = kIncidentId;
  incident.event.cluster = "prod";
  incident.event.fault_id = "fault-1";
  incident.event.fault_type = "CrashLoop";
  incident.event.resource = {"v1", "Pod", "web-0", "shop", "uid-1"};
  incident.event.context = "back-off restarting \"web\"\n";
  return incident;
}

void RunFixture::Restart() {
  supervisor_.reset();
  supervisor_ = std::make_unique<Supervisor>(*event_loop_, options_, logger_, *this);
}

void RunFixture::StartAgent(const std::vector<std::string>& arguments, const Lease& lease) {
  options_.command.resize(1);
  options_.command.insert(options_.command.end(), arguments.begin(), arguments.end());
  Restart();
  supervisor_->Start(lease, SomeIncident());
}

void RunFixture::RunUntil(const std::function<bool()>& condition, Duration limit) {
  const MonoTime deadline = event_loop_->Now().mono + limit;
  bool met = false;
  // Stop() cannot be undone, so a timer ends every wait in Run() by an exception.
  struct Done {};
  std::function<void()> check = [&] {
    met = condition();
    if (met || event_loop_->Now().mono >= deadline) throw Done{};
    event_loop_->After(2ms, check);
  };
  event_loop_->After(0ms, check);
  try {
    event_loop_->Run();
  } catch (const Done&) {
  }
  ASSERT_TRUE(met) << "not within the time limit";
}

Outcome RunFixture::AwaitOutcome(const Lease& lease) {
  RunUntil([&] { return finished_.contains(lease); });
  return finished_[lease];
}

Outcome RunFixture::RunAgent(const std::vector<std::string>& arguments) {
  StartAgent(arguments);
  return AwaitOutcome();
}

void RunFixture::AwaitOutput(const std::string& text) {
  RunUntil([&] { return Stdout().find(text) != std::string::npos; });
}

std::string RunFixture::Read(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

nlohmann::json RunFixture::ResultJson() const {
  return nlohmann::json::parse(Read(Workspace() / "result.json"), nullptr, false);
}

std::filesystem::path RunFixture::SpoolFile(const Lease& lease) const {
  return root_ / ".spool" / (lease.incident_id + "." + std::to_string(lease.attempt) + ".json");
}

void RunFixture::OnRunStarted(const StartedRun& run) { started_[run.lease] = run.pid; }

void RunFixture::OnRunFinished(const Lease& lease, const Outcome& outcome) {
  EXPECT_FALSE(finished_.contains(lease)) << "finished twice";
  finished_[lease] = outcome;
}

}  // namespace runner::executor
