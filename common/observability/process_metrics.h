#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/clock.h"
#include "common/observability/metrics_page.h"

namespace runner {

// Adds the standard process_* metrics of this process, read from /proc/self (proc(5)). What cannot
// be read is left out.
void AddProcessMetrics(MetricsPage& page);

// Adds build_info, up, uptime_seconds and log_lines_dropped_total of a program: component is
// `ingest` or `executor`.
void AddProgramMetrics(MetricsPage& page, std::string_view component, Duration uptime,
                       std::uint64_t log_lines_dropped);

}  // namespace runner
