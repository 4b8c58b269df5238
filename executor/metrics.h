#pragma once

#include <string>

#include "common/inbox.h"
#include "common/metrics_page.h"
#include "executor/executor_loop.h"

namespace runner::executor {

void AddRunMetrics(const RunCounters& counters, MetricsPage& page);

// The text of /metrics; any thread but the loop's. Throws std::runtime_error when the loop does not
// answer within half a second.
std::string ScrapeExecutor(Inbox& inbox, const ExecutorLoop& loop, MonoTime started);

}  // namespace runner::executor
