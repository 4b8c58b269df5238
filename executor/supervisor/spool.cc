#include "executor/supervisor/spool.h"

#include <charconv>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/workspace/workspace.h"

namespace runner::executor {
namespace {

constexpr std::size_t kMaxRecordBytes = 64 * 1024;
constexpr std::string_view kExtension = ".json";

// The lease that a file of the spool is named after: <incident-id>.<attempt>.json.
std::optional<Lease> LeaseOf(const std::string& name) {
  constexpr std::size_t kIdBytes = 36;
  if (name.size() <= kIdBytes || name[kIdBytes] != '.' || !name.ends_with(kExtension)) {
    return std::nullopt;
  }
  Lease lease{name.substr(0, kIdBytes), 0};
  const char* const begin = name.data() + kIdBytes + 1;
  const char* const end = name.data() + name.size() - kExtension.size();
  if (begin >= end || !IsLowerCaseUuid(lease.incident_id)) return std::nullopt;
  const auto [rest, error] = std::from_chars(begin, end, lease.attempt);
  if (error != std::errc() || rest != end) return std::nullopt;
  return lease;
}

std::optional<ShimStop> ParseStop(std::string_view word) {
  for (const ShimStop stop : kShimStops) {
    if (word == ToWord(stop)) return stop;
  }
  return std::nullopt;
}

}  // namespace

Spool::Spool(const std::filesystem::path& workspace_root)
    : directory_(std::filesystem::absolute(workspace_root) / ".spool") {
  std::filesystem::create_directories(directory_);
  std::filesystem::permissions(directory_, std::filesystem::perms::owner_all);
}

bool Spool::Claim() {
  if (claim_) return true;
  UniqueFd directory(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory && ::flock(directory.Get(), LOCK_EX | LOCK_NB) == 0) claim_ = std::move(directory);
  return static_cast<bool>(claim_);
}

void Spool::Ensure() const { ::mkdir(directory_.c_str(), 0700); }

std::vector<Lease> Spool::Leases() const {
  std::vector<Lease> leases;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory_, error), end; !error && entry != end;
       entry.increment(error)) {
    if (leases.size() == kMaxListed) break;
    if (auto lease = LeaseOf(entry->path().filename().string())) leases.push_back(*lease);
  }
  return leases;
}

std::filesystem::path Spool::FileOf(const Lease& lease) const {
  return directory_ / (lease.incident_id + "." + std::to_string(lease.attempt) + ".json");
}

std::optional<ShimRecord> Spool::Load(const Lease& lease) const {
  // Whatever stands there under this name: nothing is waited for, and nothing large is read.
  const UniqueFd file(
      ::open(FileOf(lease).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status{};
  if (!file || ::fstat(file.Get(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  std::string text(kMaxRecordBytes, '\0');
  const ssize_t got = ::read(file.Get(), text.data(), text.size());
  if (got <= 0) return std::nullopt;
  text.resize(static_cast<std::size_t>(got));
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
  json.at("oom").get_to(record.oom);
  json.at("disk_full").get_to(record.disk_full);
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
