#pragma once

#include <atomic>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/observability/logger.h"
#include "executor/workspace/retention.h"

namespace runner::executor {

// Enforces retention on its own thread, since removing large trees takes too long for a loop. Any
// thread may call it.
class RetentionThread {
 public:
  RetentionThread(std::filesystem::path root, RetentionLimits limits, Logger logger);
  // Interrupts a removal; the next executor continues it.
  ~RetentionThread();
  RetentionThread(const RetentionThread&) = delete;
  RetentionThread& operator=(const RetentionThread&) = delete;

  // Enforces the limits soon, and leaves the workspaces of these incidents alone. Never blocks; if
  // several calls arrive during a removal, the last one counts.
  void Enforce(WallTime now, std::set<std::string> keep);

 private:
  struct Order {
    WallTime now;
    std::set<std::string> keep;
  };

  void Run();
  void Carry(const Order& order);

  const std::filesystem::path root_;
  const RetentionLimits limits_;
  const Logger logger_;
  std::optional<BirthTime> spool_born_;  // used by thread_ only
  std::atomic<bool> stop_{false};
  Mutex mutex_;
  Condition changed_;
  std::optional<Order> order_ GUARDED_BY(mutex_);
  std::thread thread_;  // last: it uses the other members
};

}  // namespace runner::executor
