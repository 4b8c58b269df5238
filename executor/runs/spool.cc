#include "executor/runs/spool.h"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <limits>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/directory.h"
#include "common/base/uuid.h"
#include "executor/workspace/retention.h"
#include "executor/workspace/workspace.h"

namespace runner::executor {
namespace {

constexpr std::size_t kMaxRecordBytes = 64 * 1024;
constexpr std::string_view kExtension = ".json";
constexpr std::string_view kTemporary = ".tmp";
constexpr std::int64_t kSecondsToWrite = 60;
constexpr std::int32_t kMaxExitCode = 255;
constexpr std::int32_t kMaxErrno = 4095;  // MAX_ERRNO of Linux
constexpr mode_t kFileMode = 0600;
constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

// Parses the file name of a record: <incident-id>.<attempt>.json.
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

std::string ErrorText(int error) { return std::generic_category().message(error); }

// A shim writes its record to a temporary name first. Tested by the change time, which an agent
// cannot set.
bool IsBeingWritten(int directory, const std::string& name) {
  struct stat status{};
  timespec now{};
  return name.ends_with(kTemporary) &&
         ::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISREG(status.st_mode) && ::clock_gettime(CLOCK_REALTIME, &now) == 0 &&
         now.tv_sec - status.st_ctim.tv_sec < kSecondsToWrite;
}

std::optional<ShimStop> ParseStop(std::string_view word) {
  for (const ShimStop stop : kShimStops) {
    if (word == ToWord(stop)) return stop;
  }
  return std::nullopt;
}

// Returns false unless the value is an integer from min to max. The library would convert other
// values, and ingest rejects a result with a negative time.
template <typename T>
bool ReadNumber(const nlohmann::json& document, const char* key, T& out, T min = 0,
                T max = std::numeric_limits<T>::max()) {
  const nlohmann::json& value = document.at(key);
  const auto read = [&](auto number) {
    if (std::cmp_less(number, min) || std::cmp_greater(number, max)) return false;
    out = static_cast<T>(number);
    return true;
  };
  if (value.is_number_unsigned()) return read(value.get<std::uint64_t>());
  return value.is_number_integer() && read(value.get<std::int64_t>());
}

}  // namespace

Spool::Spool(const std::filesystem::path& workspace_root)
    : root_(std::filesystem::absolute(workspace_root)), directory_(root_ / kSpoolName) {
  const std::string what = Repair();
  if (what.empty()) return;
  throw std::runtime_error("--workspace-root: \"" + root_.string() + "\" cannot be used: " + what +
                           "; expected a directory that this user owns, or may write to");
}

bool Spool::Claim() {
  if (claim_) return true;
  UniqueFd directory(::open(directory_.c_str(), kDirectory));
  if (directory && ::flock(directory.Get(), LOCK_EX | LOCK_NB) == 0) claim_ = std::move(directory);
  return static_cast<bool>(claim_);
}

void Spool::Ensure() {
  Repair();
  if (!claim_) return;
  struct stat claimed{};
  struct stat named{};
  if (::fstat(claim_.Get(), &claimed) == 0 && ::stat(directory_.c_str(), &named) == 0 &&
      !IsSameFile(claimed, named)) {
    claim_.Reset();
    Claim();
  }
}

std::vector<std::string> Spool::TakeRepairs() { return std::exchange(repairs_, {}); }

std::string Spool::Repair() {
  std::error_code error;
  std::filesystem::create_directories(root_, error);
  struct stat status{};
  if (::stat(root_.c_str(), &status) != 0) {
    return (error ? error : std::error_code(errno, std::generic_category())).message();
  }
  if (S_ISDIR(status.st_mode) && (status.st_mode & S_IRWXU) != S_IRWXU &&
      ::chmod(root_.c_str(), (status.st_mode & 07777U) | S_IRWXU) == 0) {
    repairs_.push_back("workspace root made accessible");
  }
  const UniqueFd root(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root || ::access(root_.c_str(), W_OK | X_OK) != 0) return ErrorText(errno);
  return RepairSpool(root.Get());
}

std::string Spool::RepairSpool(int root) {
  const std::string name(kSpoolName);
  struct stat status{};
  const bool exists = ::fstatat(root, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
  if (exists && S_ISDIR(status.st_mode)) {
    if ((status.st_mode & 0777U) == S_IRWXU) return {};
    const mode_t mode = (status.st_mode & S_ISGID) | S_IRWXU;  // inherited from the root
    if (::fchmodat(root, name.c_str(), mode, AT_SYMLINK_NOFOLLOW) == 0) {
      // Permissions of the group can come from the settings of a volume, so their change is no
      // repair to report.
      if ((status.st_mode & S_IRWXU) != S_IRWXU) repairs_.push_back(name + " made accessible");
      return {};
    }
  }
  if (exists) {
    const std::string prefix(kSpoolAside);
    MovedAside aside = MoveAside(root, name, prefix, kMaxSpoolsAside);
    if (aside.error == EEXIST) {
      aside.name = prefix + UuidGenerator().Next(std::chrono::system_clock::now());
      aside.error = ::renameat(root, name.c_str(), root, aside.name.c_str()) == 0 ? 0 : errno;
    }
    if (aside.error != 0)
      return name + " is not usable and cannot be moved: " + ErrorText(aside.error);
    repairs_.push_back(name + " moved to " + aside.name);
  }
  if (::mkdirat(root, name.c_str(), S_IRWXU) == 0 || errno == EEXIST) return {};
  return name + ": " + ErrorText(errno);
}

Spool::Stock Spool::Records() {
  Stock stock;
  std::vector<std::string> unusable;
  stock.list_errno = ForEachEntry(claim_.Get(), [&](const char* entry) {
    const std::string name = entry;
    const std::optional<Lease> lease = LeaseOf(name);
    Loaded loaded;
    if (lease) {
      loaded = TryLoad(*lease);
      if (loaded.error == EACCES &&
          ::fchmodat(claim_.Get(), entry, kFileMode, AT_SYMLINK_NOFOLLOW) == 0) {
        loaded = TryLoad(*lease);
      }
    }
    if (loaded.record) {
      stock.records.emplace_back(*lease, *loaded.record);
    } else if (loaded.error != 0) {
      ++stock.unreadable;
    } else if (!IsBeingWritten(claim_.Get(), name)) {
      unusable.push_back(name);
    }
    return stock.records.size() < kMaxListed && stock.unreadable < kMaxMoved &&
           unusable.size() < kMaxMoved;
  });
  if (!unusable.empty()) stock.unusable = MoveUnusable(unusable);
  return stock;
}

Spool::UnusableEntries Spool::MoveUnusable(const std::vector<std::string>& names) const {
  UnusableEntries result;
  const UniqueFd root(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // A new directory each time; at the bound, the last one takes all further entries.
  for (int n = 1; n <= kMaxSpoolsAside; ++n) {
    result.directory = std::string(kSpoolAside) + std::to_string(n);
    if (::mkdirat(root.Get(), result.directory.c_str(), S_IRWXU) == 0) break;
  }
  const OpenResult aside = OpenDirectory(root.Get(), result.directory.c_str(), S_IRWXU);
  for (const std::string& name : names) {
    if (result.names.size() < UnusableEntries::kMaxNamed) result.names.push_back(name);
    const bool moved =
        aside.fd && ::renameat(claim_.Get(), name.c_str(), aside.fd.Get(), name.c_str()) == 0;
    ++(moved ? result.moved : result.failed);
  }
  return result;
}

std::filesystem::path Spool::FileOf(const Lease& lease) const {
  return directory_ / (lease.incident_id + "." + std::to_string(lease.attempt) + ".json");
}

std::optional<ShimRecord> Spool::Load(const Lease& lease) const { return TryLoad(lease).record; }

Spool::Loaded Spool::TryLoad(const Lease& lease) const {
  // An agent may put a file of any type here: the open must not block, and the read is bounded.
  const UniqueFd file(
      ::open(FileOf(lease).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) {
    const bool wrong_type = errno == ELOOP || errno == ENXIO || errno == ENODEV;
    return {std::nullopt, wrong_type ? 0 : errno};
  }
  struct stat status{};
  if (::fstat(file.Get(), &status) != 0) return {std::nullopt, errno};
  if (!S_ISREG(status.st_mode)) return {};
  std::string text(kMaxRecordBytes, '\0');
  const ssize_t got = ::read(file.Get(), text.data(), text.size());
  if (got < 0) return {std::nullopt, errno};
  text.resize(static_cast<std::size_t>(got));
  std::optional<ShimRecord> record = ParseShimRecord(text);
  if (record && (record->incident_id != lease.incident_id || record->attempt != lease.attempt)) {
    return {};
  }
  return {record, 0};
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
  json.at("timed_out").get_to(record.timed_out);
  json.at("oom").get_to(record.oom);
  json.at("disk_full").get_to(record.disk_full);
  json.at("contained").get_to(record.contained);
  const bool in_range =
      ReadNumber(json, "attempt", record.attempt) &&
      ReadNumber(json, "exit_code", record.exit_code, ShimRecord::kNoExitCode, kMaxExitCode) &&
      ReadNumber(json, "signal", record.signal, 0, NSIG - 1) &&
      ReadNumber(json, "spawn_errno", record.spawn_errno, 0, kMaxErrno) &&
      ReadNumber(json, "log_errno", record.log_errno, 0, kMaxErrno) &&
      ReadNumber(json, "orphans_killed", record.orphans_killed) &&
      ReadNumber(json, "started_at_ns", record.started_at_ns) &&
      ReadNumber(json, "finished_at_ns", record.finished_at_ns) &&
      ReadNumber(json, "duration_ns", record.duration_ns) &&
      ReadNumber(json, "stdout_bytes", record.out.bytes) &&
      ReadNumber(json, "stdout_dropped_bytes", record.out.dropped_bytes) &&
      ReadNumber(json, "stderr_bytes", record.err.bytes) &&
      ReadNumber(json, "stderr_dropped_bytes", record.err.dropped_bytes);
  if (!in_range) return std::nullopt;
  return record;
} catch (const nlohmann::json::exception&) {
  return std::nullopt;
}

}  // namespace runner::executor
