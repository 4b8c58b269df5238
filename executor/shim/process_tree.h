#pragma once

#include <cstdint>

#include <sys/types.h>

namespace runner::executor {

// How a process ended: exactly one of the two is set.
struct ExitStatus {
  std::int32_t exit_code = -1;  // -1: ended by a signal
  std::int32_t signal = 0;
};

// The processes of one run: the agent and all its descendants. The shim is their subreaper
// (prctl(2), PR_SET_CHILD_SUBREAPER): a process that loses its parent becomes a child of the shim,
// so having no children proves that no process of the run exists. Only the shim reaps, so it may
// signal its children and their process groups by number: neither number can be reused before the
// child is reaped. Single-threaded.
class ProcessTree {
 public:
  // `agent` is a child of the caller and leads its process group; the caller owns `agent_pidfd`,
  // which refers to it.
  ProcessTree(pid_t agent, int agent_pidfd) : agent_(agent), agent_pidfd_(agent_pidfd) {}

  // Sends SIGTERM to the agent's group, and SIGCONT, since a stopped process handles no signal.
  void TerminateGroup();
  void KillGroup();

  // Returns true once the agent has ended. Does not reap it.
  bool AgentExited() const;
  // For an agent that has ended while AgentExited is still false, because a descendant traces it
  // (ptrace(2)) and must be notified first. Kills the children of the shim: the tracer is one of
  // them, or becomes one.
  void KillTracers();
  // Reaps re-parented processes that have ended. Only while the agent is alive.
  void ReapOrphans();
  // After AgentExited: kills the rest of the agent's group while the unreaped agent keeps the
  // number of the group, then reaps the agent.
  void ReapAgent();
  // Kills and reaps until no child is left, at most until `deadline` (monotonic nanoseconds). True:
  // waitpid(2) returned ECHILD, so no process of the run exists. Also reaps the agent, if ReapAgent
  // has not. `sigchld_fd`: a non-blocking signalfd.
  bool Contain(std::int64_t deadline, int sigchld_fd);

  // Neither field is set before the agent is reaped.
  const ExitStatus& agent_exit() const { return agent_exit_; }
  // Processes, not counting the agent, that ended by SIGKILL after the first KillGroup or
  // ReapAgent.
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
