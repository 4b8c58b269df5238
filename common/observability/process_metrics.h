#pragma once

#include <string>
#include <vector>

#include <prometheus/collectable.h>

#include "common/base/clock.h"
#include "common/observability/logger.h"

namespace runner {

// The standard process_* metrics of this process, read from /proc/self (proc(5)). A family whose
// source cannot be read has no series. Thread-safe.
class ProcessMetrics final : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

// build_info, up, uptime_seconds and log_lines_dropped_total of a program. Thread-safe.
class ProgramMetrics final : public prometheus::Collectable {
 public:
  // `component` is `ingest` or `executor`. The uptime starts here. `clock` must outlive this.
  ProgramMetrics(std::string component, const Clock& clock, Logger logger)
      : component_(std::move(component)),
        clock_(clock),
        logger_(std::move(logger)),
        started_(clock.Now().mono) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::string component_;
  const Clock& clock_;
  const Logger logger_;
  const MonoTime started_;
};

}  // namespace runner
