#include "ingest/config_watch.h"

#include <functional>
#include <utility>

#include "ingest/config_again.h"

namespace runner::ingest {

ConfigWatch::ConfigWatch(const Clock& clock, const Start& start, const IngestConfig& config,
                         const ConfigTable& table, Inbox& inbox, ClusterReload& reload,
                         const Logger& logger)
    : logger_(logger) {
  if (table.file_path().empty()) return;
  const auto read = [&config, &table, &inbox, &reload, start]() -> std::function<void()> {
    ConfigAgain again = ReadAgain(config, table, start.argc, start.argv, ProcessEnvironment());
    return [&inbox, &reload, again = std::move(again)]() mutable {
      inbox.Post([&reload, again = std::move(again)]() mutable { reload.Apply(std::move(again)); });
    };
  };
  file_.emplace(clock, table.file_path(), table.file_identity(), read);
}

void ConfigWatch::OnHangup(bool draining) {
  if (draining) {
    logger_.Info("SIGHUP ignored, shutting down");
  } else if (!file_) {
    logger_.Warn("SIGHUP ignored, there is no file of --config to read again");
  } else {
    file_->ReadNow();
  }
}

}  // namespace runner::ingest
