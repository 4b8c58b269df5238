#pragma once

#include <string>
#include <string_view>

namespace runner::executor {

// Returns the last line that an agent printed to stderr, or to stdout if stderr has none; empty if
// neither has a line. Reads only regular files with one link in the directory `workspace_fd`, and
// at most their last 64 KiB, because an agent may put anything in place of its logs.
std::string LastOutput(int workspace_fd);

// Returns the last visible line of a text as valid UTF-8: escape sequences and control characters
// are removed, invalid bytes replaced, and the line is truncated to kMaxLastOutput bytes. A
// carriage return ends a line, so each state of a progress bar is a line.
std::string LastLine(std::string_view text);

}  // namespace runner::executor
