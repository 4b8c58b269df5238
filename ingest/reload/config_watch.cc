#include "ingest/reload/config_watch.h"

#include <utility>

#include "ingest/reload/config_reload.h"

namespace runner::ingest {

ConfigWatch::ConfigWatch(const Clock& clock, const Start& start, const IngestConfig& config,
                         const ConfigTable& table, EventLoop& event_loop, ClusterReload& reload,
                         const Logger& logger)
    : logger_(logger), reload_(reload) {
  if (table.file_path().empty()) return;
  const auto read = [&config, &table, &event_loop, &reload, start]() -> FileWatch::Reading {
    ReloadedConfig again =
        ReloadConfig(config, table, start.argc, start.argv, ProcessEnvironment());
    const bool is_good = again.problems.empty();
    const auto post = [&event_loop, &reload, again = std::move(again)] {
      event_loop.Post([&reload, again] { reload.Apply(again); });
    };
    return {post, is_good};
  };
  file_.emplace(clock, table.file_path(), table.file_identity(), read);
}

void ConfigWatch::OnHangup(bool draining) {
  if (draining) {
    logger_.Info("SIGHUP ignored, shutting down");
  } else if (!file_) {
    logger_.Warn("SIGHUP ignored, there is no file of --config to read again");
  } else {
    reload_.RepeatProblems();
    file_->ReadNow();
  }
}

}  // namespace runner::ingest
