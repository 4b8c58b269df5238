#pragma once

#include <string>

#include "common/loop/event_loop.h"
#include "common/observability/logger.h"
#include "common/observability/metrics_page.h"
#include "executor/loop/executor_loop.h"

namespace runner::executor {

// The numbers of one scrape, copied from the loop in one piece.
struct MetricsSnapshot {
  RunCounters runs;
  bool attached = false;
  bool tainted = false;
};

void AddExecutorMetrics(const MetricsSnapshot& snapshot, MetricsPage& page);

// The text of /metrics; any thread but the loop's. Throws std::runtime_error when the loop does not
// answer within the time that a scrape has (kScrapePatience).
std::string ScrapeExecutor(EventLoop& event_loop, const ExecutorLoop& loop, MonoTime started,
                           const Logger& logger);

}  // namespace runner::executor
