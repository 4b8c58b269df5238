#include "ingest/config/config.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "common/config/option_names.h"
#include "ingest/config/connection_config.h"

namespace runner::ingest {
namespace {

void DeclareDedup(ConfigTable& table, IngestConfig* config) {
  constexpr DurationRange kUpToAYear{Duration::zero(), std::chrono::hours(24 * 365)};
  table
      .Seconds({.flag = "--dedup-window",
                .env = {"DEDUP_WINDOW_SECONDS"},
                .default_text = "300",
                .help = "how long a fault that was investigated is not investigated again; triples "
                        "each time; 0: nothing is a duplicate"},
               kUpToAYear, &config->dedup_window)
      .Seconds({.flag = "--dedup-window-max",
                .env = {"DEDUP_WINDOW_MAX_SECONDS"},
                .default_text = "14400",
                .help = "the longest that window grows"},
               kUpToAYear, &config->dedup_window_max)
      .Enum<DedupKey>({.flag = "--dedup-key",
                       .env = {"DEDUP_KEY"},
                       .default_text = "resource",
                       .help = "what makes two events the same: the object, or the fault's id"},
                      {{"resource", DedupKey::kResource}, {"fault", DedupKey::kFault}},
                      &config->dedup_key);
  table.Check({"--dedup-window", "--dedup-window-max"}, [config]() -> std::optional<std::string> {
    if (config->dedup_window <= config->dedup_window_max) return std::nullopt;
    return "--dedup-window: must not be longer than --dedup-window-max; lower it, or raise the "
           "other";
  });
}

void DeclareBreaker(ConfigTable& table, IngestConfig* config) {
  table
      .Integer({.flag = "--circuit-breaker-threshold",
                .env = {"CIRCUIT_BREAKER_THRESHOLD"},
                .default_text = "3",
                .help = "agents that fail in a row and open the breaker; 0: none does"},
               0u, 1'000'000u, &config->circuit_breaker_threshold)
      .Seconds({.flag = "--circuit-breaker-cooldown",
                .env = {"CIRCUIT_BREAKER_COOLDOWN_SECONDS"},
                .default_text = "60",
                .help = "how long it stays open before one agent at a time is tried"},
               {std::chrono::milliseconds(1), std::chrono::hours(24)},
               &config->circuit_breaker_cooldown)
      .Enum<BreakerPolicy>({.flag = "--circuit-breaker-policy",
                            .env = {"CIRCUIT_BREAKER_POLICY"},
                            .default_text = "drop",
                            .help = "what becomes of events that arrive while it is open"},
                           {{"drop", BreakerPolicy::kDrop}, {"hold", BreakerPolicy::kHold}},
                           &config->circuit_breaker_policy);
}

void DeclareQueue(ConfigTable& table, IngestConfig* config) {
  constexpr DurationRange kPositive{std::chrono::milliseconds(1), std::chrono::hours(24 * 365)};
  table
      .SeverityLevel({.flag = "--severity-threshold",
                      .env = {"SEVERITY_THRESHOLD"},
                      .default_text = "warning",
                      .help = "least severity that is investigated"},
                     &config->severity_threshold)
      .Seconds({.flag = "--max-queue-age",
                .env = {"MAX_QUEUE_AGE_SECONDS"},
                .default_text = "600",
                .help = "an incident that has waited longer expires"},
               kPositive, &config->max_queue_age)
      .Seconds({.flag = "--queue-sweep-interval",
                .env = {"QUEUE_SWEEP_INTERVAL_SECONDS"},
                .default_text = "60",
                .help = "how often expired incidents are looked for"},
               kPositive, &config->queue_sweep_interval)
      .Integer({.flag = "--cluster-queue-size",
                .env = {"CLUSTER_QUEUE_SIZE"},
                .default_text = "100",
                .help = "incidents that may wait for one cluster"},
               1u, 1'000'000u, &config->cluster_queue_size)
      .Integer({.flag = "--global-queue-size",
                .env = {"GLOBAL_QUEUE_SIZE"},
                .default_text = "1000",
                .help = "incidents that may wait for all clusters together"},
               1u, 10'000'000u, &config->global_queue_size)
      .Enum<OverflowPolicy>({.flag = "--queue-overflow-policy",
                             .env = {"QUEUE_OVERFLOW_POLICY"},
                             .default_text = "drop-oldest",
                             .help = "who goes when a queue is full"},
                            {{"drop-oldest", OverflowPolicy::kDropOldest},
                             {"drop", OverflowPolicy::kDropOldest},
                             {"reject-newest", OverflowPolicy::kRejectNewest},
                             {"reject", OverflowPolicy::kRejectNewest}},
                            &config->queue_overflow_policy);
}

void DeclareDispatch(ConfigTable& table, IngestConfig* config) {
  table
      .Integer({.flag = "--max-concurrent-agents",
                .env = {"MAX_CONCURRENT_AGENTS"},
                .default_text = "5",
                .help = "agents that may run at once"},
               1u, 10'000u, &config->max_concurrent_agents)
      .Integer({.flag = "--max-agents-per-cluster",
                .env = {"MAX_AGENTS_PER_CLUSTER"},
                .default_text = "1",
                .help = "agents that may run at once for one cluster"},
               1u, 10'000u, &config->max_agents_per_cluster)
      .Integer({.flag = "--max-runs-per-hour",
                .env = {"MAX_RUNS_PER_HOUR"},
                .default_text = "0",
                .help = "agents that may start within an hour; 0: any number"},
               0u, 1'000'000u, &config->max_runs_per_hour)
      .Integer({.flag = "--max-attempts",
                .env = {"MAX_ATTEMPTS"},
                .default_text = "3",
                .help = "started attempts that may be lost before an incident fails"},
               1u, 100u, &config->max_attempts)
      .Seconds({.flag = "--lease-ttl",
                .env = {"LEASE_TTL_SECONDS"},
                .default_text = "60",
                .help = "how long an executor may send no keep-alive before it is detached, and "
                        "stay detached before its incidents are queued again"},
               {std::chrono::seconds(1), std::chrono::hours(24)}, &config->lease_ttl);
}

}  // namespace

ConfigTable MakeConfigTable(IngestConfig* config, const IngestConfig* running) {
  ConfigTable table("runner-ingest",
                    "Hears faults from kubernetes-mcp-servers, queues them, and hands them to "
                    "executors.");
  table.File("ingest", ExecutorOnlyKeys());
  DeclareConnection(table, config);
  DeclareDedup(table, config);
  DeclareQueue(table, config);
  DeclareDispatch(table, config);
  DeclareBreaker(table, config);
  DeclareClusters(table, config, running != nullptr ? running : config);
  table.Bool({.flag = "--metrics-per-cluster",
              .env = {"METRICS_PER_CLUSTER"},
              .default_text = "true",
              .help = "metrics of each cluster; false: the sums, with cluster=\"all\""},
             &config->metrics_per_cluster);
  DeclareCommonOptions(table, {9090, 8080, "127.0.0.1:50051"}, &config->common);
  return table;
}

SchedulerOptions IngestConfig::Scheduling() const {
  SchedulerOptions options;
  for (const ClusterConfig& cluster : clusters) {
    options.clusters.push_back({cluster.name, cluster.filter});
  }
  options.dedup_key = dedup_key;
  options.dedup.window = dedup_window;
  options.dedup.window_max = dedup_window_max;
  options.breaker = {circuit_breaker_threshold, circuit_breaker_cooldown};
  options.breaker_policy = circuit_breaker_policy;
  options.max_queue_age = max_queue_age;
  options.queue_sweep_interval = queue_sweep_interval;
  options.cluster_queue_size = cluster_queue_size;
  options.global_queue_size = global_queue_size;
  options.overflow_policy = queue_overflow_policy;
  options.max_concurrent_agents = max_concurrent_agents;
  options.max_agents_per_cluster = max_agents_per_cluster;
  options.max_runs_per_hour = max_runs_per_hour;
  options.max_attempts = max_attempts;
  options.leases.lease_ttl = lease_ttl;
  // With a short time to live keep-alives come more often.
  options.leases.keep_alive_interval = std::min<Duration>(std::chrono::seconds(5), lease_ttl / 4);
  return options;
}

}  // namespace runner::ingest
