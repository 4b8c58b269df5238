#include "executor/runs/supervisor.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <string>
#include <system_error>
#include <utility>

#include <sys/epoll.h>
#include <unistd.h>

#include "executor/runs/finalize_run.h"
#include "executor/runs/launch.h"
#include "executor/shim/children.h"
#include "executor/workspace/workspace.h"

namespace runner::executor {
namespace {

using namespace std::chrono_literals;

// Upper bound on the time that a shim takes beyond timeout and grace: its containment after SIGKILL
// (Deadlines::kContainment), and a margin.
constexpr Duration kShimOverhead = 5s + 4s;
// The stop_budget promises the result at grace + 7 s, and a shim ends at grace + 5 s. A shim that
// does not end is killed at grace + 6 s; one second remains to sweep its processes.
constexpr Duration kStopOverhead = 3s;
constexpr Duration kSecondChance = 3s;
constexpr Duration kSweepInterval = 2ms;
constexpr Duration kReapDelay = 50ms;
constexpr int kCleanSweepsNeeded = 2;

std::vector<std::string> OwnEnvironment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.push_back(*variable);
  return variables;
}

AgentOptions Checked(AgentOptions options) {
  if (::access(options.shim_path.c_str(), X_OK) != 0) {
    throw std::system_error(errno, std::generic_category(), options.shim_path.string());
  }
  return options;
}

ShimCommand CommandOf(StopReason reason) {
  switch (reason) {
    case StopReason::kCancelled:
      return ShimCommand::kStopCancelled;
    case StopReason::kInterrupted:
      return ShimCommand::kStopInterrupted;
    case StopReason::kSignalledExecutor:
      return ShimCommand::kStopSignalled;
  }
  return ShimCommand::kStopCancelled;
}

std::string ErrorText(int error) { return std::generic_category().message(error); }

}  // namespace

struct Supervisor::Run {
  explicit Run(const Instant& now) : state(now) {}

  RunState state;
  RunInfo info;
  std::optional<Workspace> workspace;
  std::optional<ShimProcess> shim;
  std::optional<ShimRecord> record;  // as sent by the shim
  EventLoop::TimerId watchdog = EventLoop::kNoTimer;
};

Supervisor::Supervisor(EventLoop& event_loop, AgentOptions options, Logger logger,
                       RunListener& listener)
    : event_loop_(event_loop),
      options_(Checked(std::move(options))),
      logger_(std::move(logger)),
      listener_(listener),
      own_environment_(OwnEnvironment()),
      spool_(options_.workspace_root),
      leftover_runs_(std::filesystem::absolute(options_.workspace_root)) {
  LogRepairs();
}

Supervisor::~Supervisor() {
  event_loop_.Cancel(sweep_timer_);
  event_loop_.Cancel(reap_timer_);
  for (const auto& [lease, run] : runs_) {
    event_loop_.Cancel(run->watchdog);
    if (!run->shim) continue;
    event_loop_.Unwatch(run->shim->socket());
    event_loop_.Unwatch(run->shim->pidfd());
  }
}

std::vector<std::pair<Lease, Outcome>> Supervisor::Recover() {
  std::vector<std::pair<Lease, Outcome>> recovered;
  if (!spool_.Claim()) {
    logger_.Warn("Workspace root in use by another executor, earlier results left to it",
                 {{"workspace_root", options_.workspace_root.string()}});
    return recovered;
  }
  std::map<std::string, Lease> latest;  // by incident: the lease whose run owns the workspace
  const Spool::Stock stock = spool_.Records();
  if (stock.list_errno != 0) {
    logger_.Error("Spool could not be read", {{"error", ErrorText(stock.list_errno)}});
  }
  const Spool::UnusableEntries& unusable = stock.unusable;
  if (!unusable.names.empty() || stock.unreadable != 0) {
    logger_.Warn("Unusable spool entries moved aside", {{"entries", unusable.moved},
                                                        {"failed", unusable.failed},
                                                        {"unreadable", stock.unreadable},
                                                        {"directory", unusable.directory},
                                                        {"names", unusable.names}});
  }
  for (const auto& [lease, record] : stock.records) {
    Lease& last = latest[lease.incident_id];
    last = std::max(last, lease);
  }
  for (const auto& [lease, record] : stock.records) {
    std::optional<Workspace> workspace;
    if (latest.at(lease.incident_id) == lease) {
      workspace = Workspace::Open(options_.workspace_root, lease.incident_id);
    }
    RunEnd end;
    end.record = record;
    end.contained = record.contained;
    if (!record.contained) {
      logger_.Error("Earlier run not contained by its shim",
                    {{"incident_id", lease.incident_id}, {"attempt", lease.attempt}});
    }
    recovered.emplace_back(
        lease, FinalizeRun(options_, lease, end, workspace ? &*workspace : nullptr).outcome);
  }
  return recovered;
}

bool Supervisor::Start(const Lease& lease, const Incident& incident) {
  if (runs_.contains(lease)) return true;
  const bool busy = RunsIncident(lease.incident_id);
  const Instant now = event_loop_.Now();
  const auto added = runs_.emplace(lease, std::make_unique<Run>(now)).first;
  Run& run = *added->second;
  run.info.lease = lease;
  run.info.cluster = incident.event.cluster;
  run.info.started_at = now.wall;
  run.info.started_mono = now.mono;

  LaunchResult launched;
  if (busy) {
    launched.failed_step = "wait for an earlier attempt";
    launched.error = EBUSY;
  } else {
    launched =
        Launch(options_, own_environment_, spool_, lease, incident, now.wall, lease_deadline_);
    LogRepairs();
  }
  if (launched.shortage) {
    runs_.erase(added);
    logger_.Warn("Offer rejected for lack of resources", {{"incident_id", lease.incident_id},
                                                          {"cluster", incident.event.cluster},
                                                          {"step", launched.failed_step},
                                                          {"error", ErrorText(launched.error)}});
    return false;
  }
  counters_.Started(run.info.cluster);
  run.workspace = std::move(launched.workspace);
  if (run.workspace) run.info.workspace = run.workspace->path();
  if (launched.shim) {
    Adopt(run, std::move(*launched.shim));
  } else {
    FailStart(run, launched.failed_step, launched.failure, launched.error);
  }
  return true;
}

void Supervisor::LogRepairs() {
  const std::vector<std::string> changes = spool_.TakeRepairs();
  if (!changes.empty()) logger_.Warn("Workspace root repaired", {{"changes", changes}});
}

void Supervisor::Adopt(Run& run, ShimProcess shim) {
  const Lease& lease = run.info.lease;
  try {
    event_loop_.Watch(shim.socket(), EPOLLIN,
                      [this, lease](std::uint32_t events) { OnSocket(lease, events); });
    event_loop_.Watch(shim.pidfd(), EPOLLIN, [this, lease](std::uint32_t) { OnShimExit(lease); });
  } catch (const std::system_error& error) {
    // Killed and not registered, the shim is reaped as an orphan, like its agent.
    shim.Kill();
    event_loop_.Unwatch(shim.socket());
    return FailStart(run, "watch runner-shim", StartFailure::kSpawn, error.code().value());
  }
  run.shim = std::move(shim);
  ArmWatchdog(run, options_.timeout + options_.kill_grace + kShimOverhead);
}

void Supervisor::FailStart(Run& run, const std::string& step, StartFailure failure, int error) {
  logger_.Error("Agent could not be started", {{"incident_id", run.info.lease.incident_id},
                                               {"cluster", run.info.cluster},
                                               {"step", step},
                                               {"error", ErrorText(error)}});
  // Ends the run from the loop; also sweeps what a shim that failed to start may have left.
  run.state.OnStartFailed(failure, error, event_loop_.Now().mono);
  BeginSweep();
}

bool Supervisor::RunsIncident(const std::string& incident_id) const {
  const auto first = runs_.lower_bound(Lease{incident_id, 0});
  return first != runs_.end() && first->first.incident_id == incident_id;
}

void Supervisor::Stop(const Lease& lease, StopReason reason) {
  const auto found = runs_.find(lease);
  if (found != runs_.end()) StopRun(*found->second, reason);
}

void Supervisor::StopAll(StopReason reason) {
  for (const auto& [lease, run] : runs_) StopRun(*run, reason);
}

void Supervisor::StopRun(Run& run, StopReason reason) {
  if (!run.shim || !run.state.OnStop(reason)) return;
  run.shim->Send(CommandOf(reason));
  ArmWatchdog(run, options_.kill_grace + kStopOverhead);
}

void Supervisor::KillAll() {
  for (const auto& [lease, run] : runs_) KillRun(*run, StopReason::kInterrupted);
}

void Supervisor::KillRun(Run& run, StopReason reason) {
  // Only once: a second kill would postpone the watchdog.
  if (!run.shim || !run.state.OnKill()) return;
  StopRun(run, reason);
  run.shim->Send(ShimCommand::kKill);
  ArmWatchdog(run, kStopOverhead);
}

// Without a grace: while the agent runs, its signals hide those of an operator.
bool Supervisor::StopSender(pid_t sender) {
  const pid_t shim = ChildAbove(sender);
  for (const auto& [lease, run] : runs_) {
    if (shim == 0 || !run->shim || run->shim->pid() != shim) continue;
    KillRun(*run, StopReason::kSignalledExecutor);
    return true;
  }
  return false;
}

void Supervisor::ExtendLeases(MonoTime deadline) {
  lease_deadline_ = deadline;
  for (const auto& [lease, run] : runs_) {
    if (run->shim) run->shim->ExtendLease(deadline);
  }
}

void Supervisor::ForgetResult(const Lease& lease) { spool_.Remove(lease); }

std::vector<StartedRun> Supervisor::Started() const {
  std::vector<StartedRun> started;
  for (const auto& [lease, run] : runs_) {
    const RunInfo& info = run->info;
    if (info.pid != 0 && !info.outcome) started.push_back({lease, info.pid, info.started_at});
  }
  return started;
}

std::vector<RunInfo> Supervisor::Runs() const {
  std::vector<RunInfo> all;
  all.reserve(runs_.size() + finished_.size());
  for (const auto& [lease, run] : runs_) {
    all.push_back(run->info);
    all.back().state = ToString(run->state.phase());
  }
  std::sort(all.begin(), all.end(),
            [](const RunInfo& a, const RunInfo& b) { return a.started_mono > b.started_mono; });
  all.insert(all.end(), finished_.begin(), finished_.end());
  return all;
}

// A shim that exceeds all of its limits is itself broken, for example stopped (SIGSTOP).
void Supervisor::ArmWatchdog(Run& run, Duration delay) {
  event_loop_.Cancel(run.watchdog);
  run.watchdog = event_loop_.After(delay, [this, lease = run.info.lease] {
    const auto found = runs_.find(lease);
    if (found == runs_.end() || !found->second->shim) return;
    // If this process was frozen, the shim may have been in time, and its notice is still unread.
    // Then it gets one more grace, unless the watchdog belongs to a stop.
    Run& late = *found->second;
    late.watchdog =
        event_loop_.After(kSecondChance + (late.state.stopped() ? 0s : options_.kill_grace),
                          [this, lease] { KillShim(lease); });
  });
}

void Supervisor::KillShim(const Lease& lease) {
  const auto found = runs_.find(lease);
  if (found == runs_.end() || !found->second->shim) return;
  logger_.Error("Unresponsive shim killed",
                {{"incident_id", lease.incident_id}, {"cluster", found->second->info.cluster}});
  found->second->shim->Kill();
}

void Supervisor::OnSocket(const Lease& lease, std::uint32_t events) {
  const auto found = runs_.find(lease);
  if (found == runs_.end() || !found->second->shim) return;
  // Hung up: the remaining notices are read when the shim has ended, which follows.
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) event_loop_.Unwatch(found->second->shim->socket());
  ReadNotices(*found->second);
}

void Supervisor::ReadNotices(Run& run) {
  while (const std::optional<ShimNotice> notice = run.shim->Receive()) {
    if (notice->event == ShimEvent::kStarted) OnStarted(run, *notice);
    if (notice->event == ShimEvent::kFinished) run.record = notice->record;
  }
}

void Supervisor::OnStarted(Run& run, const ShimNotice& notice) {
  run.info.pid = notice.pid;
  run.info.started_at =
      WallTime(std::chrono::duration_cast<WallTime::duration>(Duration(notice.started_at_ns)));
  run.state.OnStarted();
  logger_.Info("Agent started", {{"incident_id", run.info.lease.incident_id},
                                 {"cluster", run.info.cluster},
                                 {"pid", run.info.pid},
                                 {"workspace", run.info.workspace}});
  listener_.OnRunStarted({run.info.lease, run.info.pid, run.info.started_at});
}

void Supervisor::OnShimExit(const Lease& lease) {
  const auto found = runs_.find(lease);
  if (found == runs_.end() || !found->second->shim) return;
  Run& run = *found->second;
  ReadNotices(run);
  const ShimEnd end = run.shim->Reap();
  if (end == ShimEnd::kNotYet) return;
  event_loop_.Unwatch(run.shim->socket());
  event_loop_.Unwatch(run.shim->pidfd());
  event_loop_.Cancel(run.watchdog);
  run.shim.reset();
  const bool clean = end == ShimEnd::kClean;
  if (clean && !run.record) run.record = spool_.Load(lease);
  if (run.state.OnShimEnded(clean, run.record, event_loop_.Now().mono)) {
    Finish(lease, true);
  } else {
    BeginSweep();
  }
}

void Supervisor::BeginSweep() {
  clean_sweeps_ = 0;
  if (sweep_timer_ == EventLoop::kNoTimer)
    sweep_timer_ = event_loop_.After(0s, [this] { SweepOnce(); });
}

std::set<pid_t> Supervisor::Shims() const {
  std::set<pid_t> shims;
  for (const auto& [lease, run] : runs_) {
    if (run->shim) shims.insert(run->shim->pid());
  }
  return shims;
}

// Delayed, so that several deaths take one sweep: a process that sends SIGCHLD must not keep the
// loop busy.
void Supervisor::ReapOrphans() {
  if (reap_timer_ != EventLoop::kNoTimer) return;
  reap_timer_ = event_loop_.After(kReapDelay, [this] {
    reap_timer_ = EventLoop::kNoTimer;
    // During a sweep of orphans the sweep reaps them, since it counts those that it had to kill.
    const bool swept = sweep_timer_ != EventLoop::kNoTimer;
    if (swept || !orphan_reaper_.Reap(Shims())) ReapOrphans();
  });
}

void Supervisor::SweepOnce() {
  sweep_timer_ = EventLoop::kNoTimer;
  Run* waiting = nullptr;
  for (const auto& [lease, run] : runs_) {
    if (run->state.SweepUntil()) waiting = run.get();
  }
  const OrphanReaper::Sweep sweep = orphan_reaper_.Once(Shims());
  clean_sweeps_ = sweep.complete && sweep.found == 0 ? clean_sweeps_ + 1 : 0;
  if (waiting != nullptr) waiting->state.OnSwept(sweep.killed);
  FinishSwept(clean_sweeps_ >= kCleanSweepsNeeded);

  const bool more = std::any_of(runs_.begin(), runs_.end(), [](const auto& entry) {
    return entry.second->state.SweepUntil().has_value();
  });
  if (more && sweep_timer_ == EventLoop::kNoTimer) {
    sweep_timer_ = event_loop_.After(kSweepInterval, [this] { SweepOnce(); });
  }
}

void Supervisor::FinishSwept(bool clean) {
  const MonoTime now = event_loop_.Now().mono;
  std::vector<Lease> over;
  for (const auto& [lease, run] : runs_) {
    const std::optional<MonoTime> until = run->state.SweepUntil();
    if (until && (clean || now >= *until)) over.push_back(lease);
  }
  for (const Lease& lease : over) Finish(lease, clean);
}

void Supervisor::Finish(const Lease& lease, bool contained) {
  const auto node = runs_.extract(lease);
  Run& run = *node.mapped();
  const Instant now = event_loop_.Now();
  if (!contained) {
    tainted_ = true;
    logger_.Error("Agent could not be contained",
                  {{"incident_id", lease.incident_id}, {"cluster", run.info.cluster}});
  }
  const FinalizedRun finalized = FinalizeRun(options_, lease, run.state.OnFinished(contained, now),
                                             run.workspace ? &*run.workspace : nullptr);
  if (finalized.result_errno != 0) {
    logger_.Error("result.json could not be written",
                  {{"incident_id", lease.incident_id},
                   {"cluster", run.info.cluster},
                   {"error", ErrorText(finalized.result_errno)}});
  }
  const std::uint64_t dropped =
      run.record ? run.record->out.dropped_bytes + run.record->err.dropped_bytes : 0;
  counters_.Finished(run.info.cluster, finalized.outcome, dropped);
  LogFinished(run, finalized.outcome);

  run.info.state = ToString(run.state.phase());
  run.info.outcome = finalized.outcome;
  finished_.push_front(run.info);
  if (finished_.size() > kFinishedKept) finished_.pop_back();
  listener_.OnRunFinished(run.info.lease, finalized.outcome);
}

void Supervisor::LogFinished(const Run& run, const Outcome& outcome) const {
  const std::string& incident_id = run.info.lease.incident_id;
  if (outcome.status == RunStatus::kTimeout) {
    logger_.Warn("Agent execution timeout", {{"cluster", run.info.cluster},
                                             {"incident_id", incident_id},
                                             {"duration", outcome.duration},
                                             {"timeout_threshold", options_.timeout}});
  }
  if (run.record && run.record->spawn_errno != 0) {
    logger_.Error("Agent could not be started", {{"incident_id", incident_id},
                                                 {"cluster", run.info.cluster},
                                                 {"step", "execute " + options_.command[0]},
                                                 {"error", ErrorName(run.record->spawn_errno)}});
  }
  if (run.record && run.record->log_errno != 0) {
    logger_.Warn("Agent log is incomplete", {{"incident_id", incident_id},
                                             {"cluster", run.info.cluster},
                                             {"error", ErrorText(run.record->log_errno)}});
  }
  LogFields fields = {{"incident_id", incident_id},
                      {"cluster", run.info.cluster},
                      {"status", ToString(outcome.status)},
                      {"reason", outcome.reason},
                      {"exit_code", outcome.exit_code.value_or(-1)},
                      {"signal", outcome.signal.value_or(0)},
                      {"duration", outcome.duration}};
  if (!outcome.last_output.empty()) fields.emplace_back("last_output", outcome.last_output);
  logger_.Info("Agent finished", fields);
}

}  // namespace runner::executor
