#include "executor/workspace/report_check.h"

#include <cerrno>
#include <optional>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/open_beneath.h"
#include "common/base/utf8.h"

namespace runner::executor {
namespace {

constexpr std::size_t kLongestCharacter = 4;

std::optional<std::string> ReadStart(int fd, std::size_t max_bytes) {
  std::string text(max_bytes, '\0');
  std::size_t size = 0;
  while (size < max_bytes) {
    const ssize_t got = ::read(fd, text.data() + size, max_bytes - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

}  // namespace

Report CheckReport(int workspace_fd, const std::string& path, std::uint64_t min_bytes) {
  const OpenResult opened = OpenBeneath(workspace_fd, path, O_RDONLY);
  if (opened.error == ENOENT) return {ReportVerdict::kMissing, 0, "", false};
  struct stat status{};
  if (!opened.fd || ::fstat(opened.fd.Get(), &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_nlink != 1) {
    return {ReportVerdict::kInvalid, 0, "", false};
  }
  // Reads one more character than is kept, so that a character split by the end of the buffer is
  // not kept.
  const auto text = ReadStart(opened.fd.Get(), kReportExcerptBytes + kLongestCharacter);
  if (!text) return {ReportVerdict::kInvalid, 0, "", false};
  const auto bytes = static_cast<std::uint64_t>(status.st_size);
  const std::string clean = SanitizeUtf8(*text);
  return {bytes < min_bytes ? ReportVerdict::kTooSmall : ReportVerdict::kGood, bytes,
          TruncateUtf8(clean, kReportExcerptBytes, ""), clean.size() > kReportExcerptBytes};
}

}  // namespace runner::executor
