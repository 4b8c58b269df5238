#pragma once

#include <cstdint>
#include <optional>

#include <sys/types.h>

#include "common/base/unique_fd.h"
#include "executor/shim/deadlines.h"
#include "executor/shim/options.h"
#include "executor/shim/output_capture.h"
#include "executor/shim/process_tree.h"
#include "executor/shim/protocol.h"
#include "executor/shim/record.h"
#include "executor/shim/spawn.h"
#include "executor/shim/usage.h"

namespace runner::executor {

// One run, from the start of the agent to the proof that none of its processes exists. One poll
// loop serves the control socket, the agent's pidfd, SIGCHLD, both output pipes and the next
// deadline. The process must be a child subreaper with all signals blocked. Holds the lock of the
// workspace (flock(2)) until it is destroyed, so that the caller can write the record into the
// spool before the lock is free. Single-threaded; errors go into the record.
class AgentRun {
 public:
  // The caller owns `control_fd`, which must be non-blocking; end of file on it stops the agent.
  AgentRun(const ShimOptions& options, char* const* environment, int control_fd,
           OomScore& oom_score);

  // Blocks until the run is over. Call once. Sends kStarted; the caller sends kFinished.
  ShimRecord Run();

 private:
  struct Stream {
    UniqueFd pipe;  // the read end, non-blocking; closed at end of file
    OutputCapture* log = nullptr;
  };

  // Returns an errno; 0: the agent runs.
  int Start(int workspace_fd, OutputCapture& out, OutputCapture& err);
  void Supervise();
  void Wait();
  // The agent has ended, but a process that traces it prevents waitpid(2).
  void Hold();
  void ReadControl();
  void Obey(const ShimRequest& request);
  void Stop(ShimStop cause);
  void ActOnDeadline();
  // Stops an agent that exceeds a limit. The workspace is measured in slices.
  void Sample();
  void MeasureWorkspace();
  bool WasOomKilled() const;
  // Reads what is available, up to a bound, so that a flood cannot delay the deadlines.
  void ReadStream(Stream& stream);
  void DrainStreams();
  void Finish();
  void SendStarted() const;

  const ShimOptions& options_;
  char* const* const environment_;
  OomScore& oom_score_;
  int control_fd_;      // -1 after end of file
  UniqueFd workspace_;  // holds the lock
  UniqueFd sigchld_;
  SpawnedAgent agent_;
  std::optional<ProcessTree> tree_;
  std::optional<Deadlines> deadlines_;
  std::optional<OomKills> oom_kills_;
  std::optional<DiskWalk> disk_walk_;
  std::int64_t sample_began_ = 0;
  std::int64_t next_sample_ = Deadlines::kNever;
  Stream out_;
  Stream err_;
  std::int64_t started_ = 0;  // monotonic clock
  bool held_ = false;
  ShimRecord record_;
};

}  // namespace runner::executor
