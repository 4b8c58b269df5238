#include "executor/workspace/retention_thread.h"

#include <utility>

namespace runner::executor {

RetentionThread::RetentionThread(std::filesystem::path root, RetentionLimits limits, Logger logger)
    : root_(std::move(root)),
      limits_(limits),
      logger_(std::move(logger)),
      thread_([this] { Run(); }) {}

RetentionThread::~RetentionThread() {
  stop_ = true;
  {
    const MutexLock lock(mutex_);
    changed_.NotifyAll();
  }
  thread_.join();
}

void RetentionThread::Enforce(WallTime now, std::set<std::string> keep) {
  const MutexLock lock(mutex_);
  order_ = Order{now, std::move(keep)};
  changed_.NotifyAll();
}

void RetentionThread::Run() {
  for (;;) {
    Order order;
    {
      const MutexLock lock(mutex_);
      while (!stop_ && !order_) changed_.Wait(mutex_);
      if (stop_) return;
      order = *std::exchange(order_, std::nullopt);
    }
    Carry(order);
  }
}

void RetentionThread::Carry(const Order& order) {
  const RetentionResult result =
      EnforceRetention(root_, limits_, order.now, order.keep, &stop_, spool_born_);
  spool_born_ = result.spool_born;
  if (result.removed != 0) {
    logger_.Info("Finished workspaces removed", {{"workspaces", result.removed},
                                                 {"bytes_removed", result.bytes_removed},
                                                 {"bytes_kept", result.bytes_kept}});
  }
  for (const std::string& error : result.errors) {
    logger_.Warn("Finished workspace could not be removed", {{"error", error}});
  }
}

}  // namespace runner::executor
