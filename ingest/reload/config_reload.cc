#include "ingest/reload/config_reload.h"

#include <exception>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace runner::ingest {
namespace {

// Bounded, so that they fit into one log line.
std::vector<std::string> Shown(std::vector<std::string> texts) {
  constexpr std::size_t kMax = 100;
  if (texts.size() <= kMax) return texts;
  const std::size_t more = texts.size() - kMax;
  texts.resize(kMax);
  texts.push_back("and " + std::to_string(more) + " more");
  return texts;
}

// The options that set the only cluster, in place of a list.
bool IsClusterKey(const std::string& key) { return key == "mcp_endpoint" || key == "cluster_name"; }

std::vector<std::string> ChangedKeys(const LogFields& before, const LogFields& after) {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < before.size() && i < after.size(); ++i) {
    if (before[i].value != after[i].value && !IsClusterKey(before[i].key)) {
      keys.push_back(before[i].key);
    }
  }
  return keys;
}

}  // namespace

ReloadedConfig ReloadConfig(const IngestConfig& config, const ConfigTable& table,
                            const StartArguments& start, const EnvironmentLookup& environment) {
  IngestConfig now;
  ConfigTable table_now = MakeConfigTable(&now, &config);
  // A file must not end a process that runs, whatever it contains.
  try {
    ParseResult parsed = table_now.Parse(start.argc, start.argv, environment);
    if (parsed.kind != ParseResult::kOk) return {std::move(parsed.problems), {}, {}};
  } catch (const std::exception& error) {
    return {{table.file_path() + ": " + error.what()}, {}, {}};
  }
  return {{}, std::move(now.clusters), ChangedKeys(table.Effective(), table_now.Effective())};
}

ClusterChanges CompareClusters(const std::vector<ClusterConfig>& before,
                               const std::vector<ClusterConfig>& after) {
  ClusterChanges changes;
  std::unordered_map<std::string_view, const ClusterConfig*> left;
  for (const ClusterConfig& cluster : before) left.emplace(cluster.name, &cluster);
  for (const ClusterConfig& cluster : after) {
    const auto known = left.extract(cluster.name);
    if (known.empty()) {
      changes.added.push_back(cluster.name);
      continue;
    }
    const ClusterConfig& was = *known.mapped();
    const bool reconnect = was.endpoint != cluster.endpoint || was.access != cluster.access;
    if (reconnect) changes.reconnect.push_back(cluster.name);
    if (reconnect || was.filter != cluster.filter) changes.changed.push_back(cluster.name);
  }
  for (const ClusterConfig& cluster : before) {
    if (left.contains(cluster.name)) changes.removed.push_back(cluster.name);
  }
  return changes;
}

ConfigReload::ConfigReload(const Clock& clock, const StartArguments& start,
                           const IngestConfig& config, const ConfigTable& table, Targets targets,
                           const Logger& logger)
    : config_(config), targets_(std::move(targets)), logger_(logger), clusters_(config.clusters) {
  if (table.file_path().empty()) return;
  const auto read = [this, &table, start]() -> FileWatch::Reading {
    ReloadedConfig reloaded = ReloadConfig(config_, table, start, ProcessEnvironment());
    const bool is_good = reloaded.problems.empty();
    const auto post = [this, reloaded = std::move(reloaded)] {
      targets_.event_loop.Post([this, reloaded] { Apply(reloaded); });
    };
    return {post, is_good};
  };
  file_.emplace(clock, table.file_path(), table.file_identity(), read);
}

void ConfigReload::OnHangup() {
  if (targets_.loop.draining()) {
    logger_.Info("SIGHUP ignored, shutting down");
  } else if (!file_) {
    logger_.Warn("SIGHUP ignored, there is no file of --config to read again");
  } else {
    last_reported_.clear();
    file_->ReadNow();
  }
}

void ConfigReload::Apply(ReloadedConfig reloaded) {
  if (targets_.loop.draining()) return;
  if (reloaded.problems.empty()) {
    std::vector<ClusterOptions> wanted;
    wanted.reserve(reloaded.clusters.size());
    for (const ClusterConfig& one : reloaded.clusters) wanted.push_back({one.name, one.filter});
    if (!targets_.loop.SetClusters(wanted)) {
      reloaded.problems = {
          "clusters: too many names since the start, removed clusters included; restart "
          "runner-ingest"};
    }
  }
  if (!reloaded.problems.empty()) {
    if (reloaded.problems == last_reported_) return;
    last_reported_ = reloaded.problems;
    logger_.Error("Configuration not reloaded",
                  {{"problems", Shown(std::move(reloaded.problems))}});
    return;
  }
  last_reported_.clear();
  if (!reloaded.not_applied.empty()) {
    logger_.Warn("Options that changed are not applied before a restart",
                 {{"options", Shown(std::move(reloaded.not_applied))}});
  }
  ClusterChanges changes = CompareClusters(clusters_, reloaded.clusters);
  clusters_ = std::move(reloaded.clusters);
  std::set<std::string> to_open(changes.added.begin(), changes.added.end());
  to_open.insert(changes.reconnect.begin(), changes.reconnect.end());
  std::vector<ConnectionOptions> opened;
  for (const ClusterConfig& cluster : clusters_) {
    if (to_open.contains(cluster.name)) opened.push_back(config_.ConnectionTo(cluster));
  }
  targets_.connections.Change(changes.removed, std::move(opened));
  targets_.on_applied(clusters_);
  logger_.Info("Clusters reloaded", {{"added", Shown(std::move(changes.added))},
                                     {"removed", Shown(std::move(changes.removed))},
                                     {"changed", Shown(std::move(changes.changed))},
                                     {"clusters", clusters_.size()}});
}

}  // namespace runner::ingest
