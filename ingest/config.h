#pragma once

#include <cstdint>
#include <string>

#include "common/config.h"
#include "common/standard_options.h"
#include "ingest/core/scheduler.h"

namespace runner::ingest {

// Everything that runner-ingest can be told at start.
struct IngestConfig {
  CommonOptions common;
  std::string mcp_endpoint;
  std::string cluster_name;
  std::string mcp_mode;
  Severity severity_threshold = Severity::kWarning;
  Duration max_queue_age{};
  Duration queue_sweep_interval{};
  std::uint32_t cluster_queue_size = 0;
  OverflowPolicy queue_overflow_policy = OverflowPolicy::kDropOldest;
  std::uint32_t max_concurrent_agents = 0;
  std::uint32_t max_agents_per_cluster = 0;
  std::uint32_t max_attempts = 0;
  Duration lease_ttl{};
  Duration sse_reconnect_initial_delay{};
  Duration sse_reconnect_max_delay{};
  Duration sse_ping_interval{};

  SchedulerOptions Scheduling() const;
};

// The table that fills `config`, which outlives it.
ConfigTable MakeConfigTable(IngestConfig* config);

}  // namespace runner::ingest
