#include "executor/supervisor/spool.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include <nlohmann/json.hpp>

namespace runner::executor {
namespace {

std::optional<ShimStop> ParseStop(std::string_view word) {
  if (word == "none") return ShimStop::kNone;
  if (word == "cancelled") return ShimStop::kCancelled;
  if (word == "interrupted") return ShimStop::kInterrupted;
  if (word == "executor_lost") return ShimStop::kExecutorLost;
  return std::nullopt;
}

}  // namespace

Spool::Spool(const std::filesystem::path& workspace_root)
    : directory_(std::filesystem::absolute(workspace_root) / ".spool") {
  std::filesystem::create_directories(directory_);
  std::filesystem::permissions(directory_, std::filesystem::perms::owner_all);
}

std::filesystem::path Spool::FileOf(const Lease& lease) const {
  return directory_ / (lease.incident_id + "." + std::to_string(lease.attempt) + ".json");
}

std::optional<ShimRecord> Spool::Load(const Lease& lease) const {
  std::ifstream file(FileOf(lease));
  if (!file) return std::nullopt;
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::optional<ShimRecord> record = ParseShimRecord(text);
  if (record && (record->incident_id != lease.incident_id || record->attempt != lease.attempt)) {
    return std::nullopt;
  }
  return record;
}

void Spool::Remove(const Lease& lease) const {
  std::error_code ignored;
  std::filesystem::remove(FileOf(lease), ignored);
}

std::optional<ShimRecord> ParseShimRecord(std::string_view document) try {
  const auto json = nlohmann::json::parse(document);
  ShimRecord record;
  const auto id = json.at("incident_id").get<std::string>();
  const std::optional<ShimStop> stopped = ParseStop(json.at("stopped").get<std::string>());
  if (id.size() >= sizeof record.incident_id || !stopped) return std::nullopt;
  std::memcpy(record.incident_id, id.data(), id.size());
  record.stopped = *stopped;
  json.at("attempt").get_to(record.attempt);
  json.at("exit_code").get_to(record.exit_code);
  json.at("signal").get_to(record.signal);
  json.at("spawn_errno").get_to(record.spawn_errno);
  json.at("log_errno").get_to(record.log_errno);
  json.at("orphans_killed").get_to(record.orphans_killed);
  json.at("timed_out").get_to(record.timed_out);
  json.at("contained").get_to(record.contained);
  json.at("started_at_ns").get_to(record.started_at_ns);
  json.at("finished_at_ns").get_to(record.finished_at_ns);
  json.at("duration_ns").get_to(record.duration_ns);
  json.at("stdout_bytes").get_to(record.out.bytes);
  json.at("stdout_dropped_bytes").get_to(record.out.dropped_bytes);
  json.at("stderr_bytes").get_to(record.err.bytes);
  json.at("stderr_dropped_bytes").get_to(record.err.dropped_bytes);
  return record;
} catch (const nlohmann::json::exception&) {
  return std::nullopt;
}

}  // namespace runner::executor
