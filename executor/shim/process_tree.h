#pragma once

#include <cstdint>

#include <sys/types.h>

namespace runner::executor {

// How a process ended: one of the two is set.
struct ExitStatus {
  std::int32_t exit_code = -1;  // -1: by a signal
  std::int32_t signal = 0;
};

// The processes of one run: the agent and everything that descends from it. The shim is their
// subreaper (prctl(2), PR_SET_CHILD_SUBREAPER), so whatever loses its parent becomes a child of the
// shim, and no children left is the proof that nothing is left. Being the only one that reaps, the
// shim may signal its children and their groups by number: the number of a child, and of a child's
// group, cannot be reused before the child is reaped. Single-threaded.
class ProcessTree {
 public:
  // `agent` is a child of the caller and leads its process group; `agent_pidfd` refers to it and
  // stays the caller's.
  ProcessTree(pid_t agent, int agent_pidfd) : agent_(agent), agent_pidfd_(agent_pidfd) {}

  // SIGTERM to the agent's group, and SIGCONT, without which a stopped process would not notice.
  void TerminateGroup();
  void KillGroup();

  // True once the agent has ended. It is not reaped by this.
  bool AgentExited() const;
  // For an agent that has ended but is not AgentExited, because a descendant traces it (ptrace(2))
  // and is to hear of it first: kills the children of the shim, which the tracer is one of or comes
  // to be.
  void KillTracers();
  // Reaps what was re-parented to the shim and has ended, as long as the agent has not.
  void ReapOrphans();
  // After AgentExited: kills what is left of its group while the unreaped agent still holds the
  // group's number, then reaps the agent.
  void ReapAgent();
  // Kills and reaps until no child is left, at most until `deadline` (monotonic nanoseconds). True:
  // waitpid(2) said ECHILD, no process of the run exists. Reaps the agent too, where ReapAgent did
  // not. `sigchld_fd`: a non-blocking signalfd.
  bool Contain(std::int64_t deadline, int sigchld_fd);

  // Neither is set before the agent is reaped.
  const ExitStatus& agent_exit() const { return agent_exit_; }
  // Processes, the agent apart, that ended by SIGKILL after the first KillGroup or ReapAgent.
  std::uint32_t orphans_killed() const { return orphans_killed_; }

 private:
  void Reaped(pid_t child, int wait_status);

  const pid_t agent_;
  const int agent_pidfd_;
  ExitStatus agent_exit_;
  bool killing_ = false;
  std::uint32_t orphans_killed_ = 0;
};

}  // namespace runner::executor
