#include "executor/shim/agent_run.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <iterator>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/shim/children.h"
#include "executor/shim/clocks.h"
#include "executor/shim/usage.h"

namespace runner::executor {
namespace {

constexpr std::int64_t kLastContainmentNs = 1 * kSecondNs;  // for a shim that was frozen
constexpr std::int64_t kHeldIntervalNs = 10 * kMillisecondNs;
constexpr std::int64_t kDrainNs = 1 * kSecondNs;
constexpr std::int64_t kSampleIntervalNs = 1 * kSecondNs;
// A large workspace is measured in slices, so that neither deadlines nor output wait.
constexpr std::int64_t kSliceNs = 20 * kMillisecondNs;
constexpr int kReadsPerTurn = 16;
constexpr int kExitNotFound = 127;
constexpr int kExitNotExecutable = 126;

// Opens the agent's stdin. Another agent of this user may have replaced the file, so only a regular
// file is accepted. Returns an errno; 0 on success.
int OpenIncident(int workspace_fd, UniqueFd& file) {
  file.Reset(
      ::openat(workspace_fd, "incident.json", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status{};
  if (!file || ::fstat(file.Get(), &status) != 0) return errno;
  if (!S_ISREG(status.st_mode)) return EINVAL;
  return ::fcntl(file.Get(), F_SETFL, 0) == 0 ? 0 : errno;
}

int OpenSigchld() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGCHLD);
  return ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

timespec UntilOrNow(std::int64_t deadline) {
  const std::int64_t left = std::max<std::int64_t>(deadline - MonotonicNs(), 0);
  return {static_cast<time_t>(left / kSecondNs), static_cast<long>(left % kSecondNs)};
}

}  // namespace

AgentRun::AgentRun(const ShimOptions& options, char* const* environment, int control_fd,
                   OomScore& oom_score)
    : options_(options), environment_(environment), oom_score_(oom_score), control_fd_(control_fd) {
  std::snprintf(record_.incident_id, sizeof record_.incident_id, "%s", options.incident_id);
  record_.attempt = options.attempt;
}

ShimRecord AgentRun::Run() {
  started_ = MonotonicNs();
  record_.started_at_ns = WallNs();
  workspace_.Reset(::open(options_.workspace, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!workspace_ || ::flock(workspace_.Get(), LOCK_EX | LOCK_NB) != 0) {
    // Any other EAGAIN means that processes are short.
    record_.spawn_errno = errno == EWOULDBLOCK ? EBUSY : errno;
    record_.exit_code = kExitNotExecutable;
    record_.contained = true;
    Finish();
    return record_;
  }
  OutputCapture out(workspace_.Get(), "agent.stdout.log", options_.max_output);
  OutputCapture err(workspace_.Get(), "agent.stderr.log", options_.max_output);
  record_.spawn_errno = Start(workspace_.Get(), out, err);
  if (record_.spawn_errno == 0) {
    Supervise();
    record_.disk_full = IsDiskFull(workspace_.Get());
  } else {
    record_.exit_code = record_.spawn_errno == ENOENT ? kExitNotFound : kExitNotExecutable;
    record_.contained = true;
  }
  out.Finish();
  err.Finish();
  record_.out = out.Count();
  record_.err = err.Count();
  record_.log_errno = out.error() != 0 ? out.error() : err.error();
  Finish();
  return record_;
}

int AgentRun::Start(int workspace_fd, OutputCapture& out, OutputCapture& err) {
  UniqueFd input;
  if (!options_.stdin_incident) {
    input.Reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  } else if (const int error = OpenIncident(workspace_fd, input); error != 0) {
    return error;
  }
  // All signals are blocked: one that arrived earlier is still pending and is read.
  if (input) sigchld_.Reset(OpenSigchld());
  int out_pipe[2];
  if (!input || !sigchld_ || ::pipe2(out_pipe, O_CLOEXEC) != 0) return errno;
  out_ = {UniqueFd(out_pipe[0]), &out};
  const UniqueFd out_end(out_pipe[1]);
  int err_pipe[2];
  if (::pipe2(err_pipe, O_CLOEXEC) != 0) return errno;
  err_ = {UniqueFd(err_pipe[0]), &err};
  const UniqueFd err_end(err_pipe[1]);
  ::fcntl(out_.pipe.Get(), F_SETFL, O_NONBLOCK);
  ::fcntl(err_.pipe.Get(), F_SETFL, O_NONBLOCK);

  oom_kills_.emplace();
  oom_score_.Raise();
  started_ = MonotonicNs();
  record_.started_at_ns = WallNs();
  // The executor has started this process. If it has died since, the filter protects the process
  // that reaps this one.
  const pid_t executor = ::getppid();
  pid_t threads[SyscallFilter::kMaxThreads];
  const std::size_t count = ListThreads(executor, threads, std::size(threads));
  const SyscallFilter syscall_filter(executor, ::getpgid(executor), ::getpid(), threads, count);
  agent_ = SpawnAgent({.argv = options_.agent_argv,
                       .envp = environment_,
                       .workspace_fd = workspace_fd,
                       .stdin_fd = input.Get(),
                       .stdout_fd = out_end.Get(),
                       .stderr_fd = err_end.Get(),
                       .descriptor_limit = options_.descriptor_limit,
                       .syscall_filter = syscall_filter});
  oom_score_.Restore();
  return agent_.error;
}

void AgentRun::Supervise() {
  tree_.emplace(agent_.pid, agent_.pidfd.Get());
  deadlines_.emplace(started_, options_.timeout_ms * kMillisecondNs,
                     options_.grace_ms * kMillisecondNs, options_.lease_deadline_ns);
  if (options_.memory_limit != 0 || options_.workspace_limit != 0) {
    next_sample_ = started_ + kSampleIntervalNs;
  }
  SendStarted();
  while (!tree_->AgentExited() && MonotonicNs() < deadlines_->agent_until()) Wait();

  if (tree_->AgentExited()) tree_->ReapAgent();
  const std::int64_t now = MonotonicNs();
  deadlines_->MustEnd(now);
  record_.contained = tree_->Contain(
      std::max(deadlines_->contain_until(), now + kLastContainmentNs), sigchld_.Get());
  record_.exit_code = tree_->agent_exit().exit_code;
  record_.signal = tree_->agent_exit().signal;
  record_.orphans_killed = tree_->orphans_killed();
  record_.timed_out = deadlines_->timed_out();
  record_.stopped = deadlines_->stopped();
  record_.oom = WasOomKilled();
  DrainStreams();
}

void AgentRun::Wait() {
  // While an agent is held, descriptors that stay ready are not polled, or the loop would spin.
  pollfd fds[] = {{held_ ? -1 : control_fd_, POLLIN, 0},
                  {held_ ? -1 : agent_.pidfd.Get(), POLLIN, 0},
                  {sigchld_.Get(), POLLIN, 0},
                  {out_.pipe.Get(), POLLIN, 0},
                  {err_.pipe.Get(), POLLIN, 0}};
  const std::int64_t give_up = deadlines_->agent_until();
  const std::int64_t next = held_ ? std::min(MonotonicNs() + kHeldIntervalNs, give_up)
                                  : std::min({deadlines_->next(), give_up, next_sample_});
  const timespec left = UntilOrNow(next);
  if (::ppoll(fds, std::size(fds), next == Deadlines::kNever ? nullptr : &left, nullptr) < 0)
    return;

  if (fds[2].revents != 0) {
    signalfd_siginfo info[16];
    [[maybe_unused]] const auto got = ::read(sigchld_.Get(), info, sizeof info);
    tree_->ReapOrphans();
  }
  if (fds[3].revents != 0) ReadStream(out_);
  if (fds[4].revents != 0) ReadStream(err_);
  // An agent that exited by itself keeps its own outcome, whatever else is due in this turn.
  if (tree_->AgentExited()) return;
  if (fds[1].revents != 0) Hold();
  if (held_) return tree_->KillTracers();
  ActOnDeadline();
  if (fds[0].revents != 0) ReadControl();
  if (MonotonicNs() >= next_sample_) Sample();
}

void AgentRun::Sample() {
  if (!disk_walk_) {
    sample_began_ = MonotonicNs();
    if (options_.memory_limit != 0 && ResidentBytesBelow(::getpid()) > options_.memory_limit) {
      Stop(ShimStop::kMemoryLimit);
    }
  }
  if (options_.workspace_limit != 0) MeasureWorkspace();
  const std::int64_t now = MonotonicNs();
  const bool over = deadlines_->stopped() != ShimStop::kNone || deadlines_->timed_out();
  // Leaves at least as much time for the output as for measuring.
  next_sample_ = over         ? Deadlines::kNever
                 : disk_walk_ ? now + kSliceNs
                              : std::max(sample_began_ + kSampleIntervalNs, now + kSliceNs);
}

void AgentRun::MeasureWorkspace() {
  if (!disk_walk_) disk_walk_.emplace(workspace_.Get(), ::getpid());
  const bool whole = disk_walk_->Continue(MonotonicNs() + kSliceNs);
  if (disk_walk_->bytes() > options_.workspace_limit) Stop(ShimStop::kWorkspaceLimit);
  if (whole) disk_walk_.reset();
}

// True if the agent ended by a SIGKILL that the shim has not sent, or with the exit code by which a
// shell reports one.
bool AgentRun::WasOomKilled() const {
  constexpr int kShellKilled = 128 + SIGKILL;
  const bool killed = record_.signal == SIGKILL || record_.exit_code == kShellKilled;
  return killed && oom_kills_->Grown();
}

void AgentRun::Hold() {
  held_ = true;
  deadlines_->MustEnd(MonotonicNs());
}

void AgentRun::ReadControl() {
  for (;;) {
    ShimRequest request;
    const ssize_t got = ::recv(control_fd_, &request, sizeof request, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      control_fd_ = -1;
      Stop(ShimStop::kExecutorLost);
      return;
    }
    if (got == sizeof request && request.magic == kShimMagic) Obey(request);
  }
}

void AgentRun::Obey(const ShimRequest& request) {
  switch (request.command) {
    case ShimCommand::kStopCancelled:
      return Stop(ShimStop::kCancelled);
    case ShimCommand::kStopInterrupted:
      return Stop(ShimStop::kInterrupted);
    case ShimCommand::kStopSignalled:
      return Stop(ShimStop::kSignalledExecutor);
    case ShimCommand::kKill:
      deadlines_->SkipGrace(MonotonicNs());
      return ActOnDeadline();
    case ShimCommand::kExtendLease:
      return deadlines_->ExtendLease(request.lease_deadline_ns);
  }
}

void AgentRun::Stop(ShimStop cause) {
  if (deadlines_->Stop(cause, MonotonicNs())) tree_->TerminateGroup();
}

void AgentRun::ActOnDeadline() {
  switch (deadlines_->Due(MonotonicNs())) {
    case Deadlines::Action::kNone:
      return;
    case Deadlines::Action::kTerminate:
      return tree_->TerminateGroup();
    case Deadlines::Action::kKill:
      // The rest of the tree is killed when the agent is dead and its descendants are re-parented.
      return tree_->KillGroup();
  }
}

void AgentRun::ReadStream(Stream& stream) {
  static char buffer[64 * 1024];
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const ssize_t got = ::read(stream.pipe.Get(), buffer, sizeof buffer);
    if (got > 0) {
      stream.log->Append(buffer, static_cast<std::size_t>(got));
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got == 0 || errno != EAGAIN) stream.pipe.Reset();
    return;
  }
}

void AgentRun::DrainStreams() {
  const std::int64_t now = MonotonicNs();
  const std::int64_t deadline =
      std::clamp(deadlines_->drain_until(), now + kHeldIntervalNs, now + kDrainNs);
  while ((out_.pipe || err_.pipe) && MonotonicNs() < deadline) {
    pollfd fds[] = {{out_.pipe.Get(), POLLIN, 0}, {err_.pipe.Get(), POLLIN, 0}};
    const timespec left = UntilOrNow(deadline);
    if (::ppoll(fds, std::size(fds), &left, nullptr) < 0 && errno != EINTR) break;
    if (fds[0].revents != 0) ReadStream(out_);
    if (fds[1].revents != 0) ReadStream(err_);
  }
  out_.pipe.Reset();
  err_.pipe.Reset();
}

void AgentRun::Finish() {
  record_.finished_at_ns = WallNs();
  record_.duration_ns = MonotonicNs() - started_;
}

void AgentRun::SendStarted() const {
  ShimNotice notice;
  notice.event = ShimEvent::kStarted;
  notice.pid = agent_.pid;
  notice.started_at_ns = record_.started_at_ns;
  // A dead executor shows as end of file on the socket.
  ::send(control_fd_, &notice, sizeof notice, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace runner::executor
