#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/config/config_table.h"
#include "common/config/standard_options.h"
#include "ingest/config/cluster_config.h"
#include "ingest/core/scheduler.h"
#include "ingest/mcp/transport/connection_options.h"

namespace runner::ingest {

// The configuration of runner-ingest. Written by its table, read-only once the program has started.
struct IngestConfig {
  CommonOptions common;
  std::string mcp_endpoint;
  std::string cluster_name;
  std::vector<ClusterConfig> clusters;  // of the file, or the one of the two options above
  ClusterAccess access;                 // the default of the clusters of the file
  Severity severity_threshold = Severity::kWarning;
  Duration dedup_window{};
  Duration dedup_window_max{};
  DedupKey dedup_key = DedupKey::kResource;
  Duration max_queue_age{};
  Duration queue_sweep_interval{};
  std::uint32_t cluster_queue_size = 0;
  std::uint32_t global_queue_size = 0;
  OverflowPolicy queue_overflow_policy = OverflowPolicy::kDropOldest;
  std::uint32_t max_concurrent_agents = 0;
  std::uint32_t max_agents_per_cluster = 0;
  std::uint32_t max_runs_per_hour = 0;
  std::uint32_t max_attempts = 0;
  std::uint32_t circuit_breaker_threshold = 0;
  Duration circuit_breaker_cooldown{};
  BreakerPolicy circuit_breaker_policy = BreakerPolicy::kDrop;
  Duration lease_ttl{};
  Duration sse_reconnect_initial_delay{};
  Duration sse_reconnect_max_delay{};
  Duration sse_ping_interval{};
  Duration sse_idle_timeout{};
  Duration sse_max_stream_age{};
  Duration poll_interval{};
  Duration list_timeout{};
  bool backfill = true;
  bool metrics_per_cluster = true;

  SchedulerOptions Scheduling() const;
  // One for each cluster, in the order of `clusters`.
  std::vector<ConnectionOptions> Connections() const;
  ConnectionOptions ConnectionTo(const ClusterConfig& cluster) const;
};

// Returns the table that fills `config`. The clusters of the file take their defaults from the
// options of `running`: a reload does not apply new options. Without it they take them from
// `config`. Both outlive the table.
ConfigTable MakeConfigTable(IngestConfig* config, const IngestConfig* running = nullptr);

}  // namespace runner::ingest
