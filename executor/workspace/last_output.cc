#include "executor/workspace/last_output.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/open_beneath.h"
#include "common/base/utf8.h"
#include "common/domain/incident.h"

namespace runner::executor {
namespace {

constexpr std::size_t kTail = 64 * 1024;
constexpr char kEscape = '\x1B';
constexpr char kBell = '\x07';

bool IsBetween(char c, char low, char high) { return c >= low && c <= high; }

// Returns the length of the escape sequence at the start of the text (ECMA-48): CSI ... final byte,
// or OSC ... BEL or ST, which is a title or a link. For any other sequence, only the escape
// character counts.
std::size_t SequenceLength(std::string_view text) {
  if (text.size() < 2) return 1;
  std::size_t end = 2;
  if (text[1] == '[') {
    while (end < text.size() && IsBetween(text[end], ' ', '?')) ++end;
    return std::min(end + 1, text.size());
  }
  if (text[1] == ']') {
    while (end < text.size() && text[end] != kBell && text[end] != kEscape) ++end;
    const bool string_terminator = end + 1 < text.size() && text[end] == kEscape;
    return std::min(end + (string_terminator ? 2 : 1), text.size());
  }
  return 1;
}

std::string Clean(std::string_view line) {
  std::string out;
  while (!line.empty() && out.size() <= kMaxLastOutput) {
    if (line.front() == kEscape) {
      line.remove_prefix(SequenceLength(line));
      continue;
    }
    const Utf8Char next = DecodeUtf8(line);
    const bool is_tab = next.code_point == '\t';
    if (!next.valid || is_tab || !IsUnsafeForTerminal(next.code_point)) {
      out += is_tab ? " " : SanitizeUtf8(line.substr(0, next.length));
    }
    line.remove_prefix(next.length);
  }
  const std::size_t begin = out.find_first_not_of(' ');
  if (begin == std::string::npos) return {};
  out = out.substr(begin, out.find_last_not_of(' ') + 1 - begin);
  return TruncateUtf8(out, kMaxLastOutput);
}

std::string Tail(int workspace_fd, const char* name) {
  const OpenResult opened = OpenBeneath(workspace_fd, name, O_RDONLY);
  struct stat status{};
  if (!opened.fd || ::fstat(opened.fd.Get(), &status) != 0) return {};
  if (!S_ISREG(status.st_mode) || status.st_nlink != 1) return {};
  std::string text(kTail, '\0');
  off_t at = std::max<off_t>(0, status.st_size - static_cast<off_t>(kTail));
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::pread(opened.fd.Get(), text.data() + size, text.size() - size, at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
    at += got;
  }
  text.resize(size);
  return text;
}

}  // namespace

std::string LastLine(std::string_view text) {
  while (!text.empty()) {
    const std::size_t separator = text.find_last_of("\r\n");
    const std::size_t begin = separator == std::string_view::npos ? 0 : separator + 1;
    if (std::string line = Clean(text.substr(begin)); !line.empty()) return line;
    text = text.substr(0, begin == 0 ? 0 : separator);
  }
  return {};
}

std::string LastOutput(int workspace_fd) {
  std::string line = LastLine(Tail(workspace_fd, "agent.stderr.log"));
  return line.empty() ? LastLine(Tail(workspace_fd, "agent.stdout.log")) : line;
}

}  // namespace runner::executor
