#pragma once

#include <vector>

#include <prometheus/collectable.h>

#include "common/loop/event_loop.h"
#include "executor/loop/executor_loop.h"

namespace runner::executor {

// The values of one scrape, copied from the loop in one step.
struct MetricsSnapshot {
  RunCounters runs;
  bool attached = false;
  bool tainted = false;
};

std::vector<prometheus::MetricFamily> CollectExecutorMetrics(const MetricsSnapshot& snapshot);

// The metrics of the executor. Collect: any thread but the loop's. It throws std::runtime_error if
// the loop does not respond within kScrapeTimeout.
class ExecutorMetrics final : public prometheus::Collectable {
 public:
  // `event_loop` and `loop` must outlive this.
  ExecutorMetrics(EventLoop& event_loop, const ExecutorLoop& loop)
      : event_loop_(event_loop), loop_(loop) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  EventLoop& event_loop_;
  const ExecutorLoop& loop_;
};

}  // namespace runner::executor
