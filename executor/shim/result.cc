#include "executor/shim/result.h"

#include <cerrno>
#include <cinttypes>
#include <climits>
#include <cstdio>

#include <fcntl.h>
#include <unistd.h>

#include "common/base/unique_fd.h"

namespace runner::executor {
namespace {

const char* Word(bool value) { return value ? "true" : "false"; }

bool WriteAll(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t wrote = ::write(fd, data, size);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    data += wrote;
    size -= static_cast<std::size_t>(wrote);
  }
  return true;
}

}  // namespace

bool WriteResult(const char* path, const ShimRecord& record) {
  char text[2048];
  const int length = std::snprintf(
      text, sizeof text,
      "{\"incident_id\":\"%s\",\"attempt\":%" PRIu32 ",\"exit_code\":%" PRId32
      ",\"signal\":%" PRId32 ",\"spawn_errno\":%" PRId32 ",\"log_errno\":%" PRId32
      ",\"timed_out\":%s,\"stopped\":\"%s\",\"orphans_killed\":%" PRIu32
      ",\"oom\":%s,\"disk_full\":%s,\"contained\":%s,\"started_at_ns\":%" PRId64
      ",\"finished_at_ns\":%" PRId64 ",\"duration_ns\":%" PRId64 ",\"stdout_bytes\":%" PRIu64
      ",\"stdout_dropped_bytes\":%" PRIu64 ",\"stderr_bytes\":%" PRIu64
      ",\"stderr_dropped_bytes\":%" PRIu64 "}\n",
      record.incident_id, record.attempt, record.exit_code, record.signal, record.spawn_errno,
      record.log_errno, Word(record.timed_out), ToWord(record.stopped), record.orphans_killed,
      Word(record.oom), Word(record.disk_full), Word(record.contained), record.started_at_ns,
      record.finished_at_ns, record.duration_ns, record.out.bytes, record.out.dropped_bytes,
      record.err.bytes, record.err.dropped_bytes);
  char temporary[PATH_MAX];
  const int name = std::snprintf(temporary, sizeof temporary, "%s.tmp", path);
  if (name < 0 || static_cast<std::size_t>(name) >= sizeof temporary) return false;

  // An agent of the same user may have put a file here, such as a FIFO whose open would block.
  ::unlink(temporary);
  const UniqueFd file(
      ::open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return false;
  if (WriteAll(file.Get(), text, static_cast<std::size_t>(length)) && ::fsync(file.Get()) == 0 &&
      ::rename(temporary, path) == 0) {
    return true;
  }
  ::unlink(temporary);
  return false;
}

}  // namespace runner::executor
