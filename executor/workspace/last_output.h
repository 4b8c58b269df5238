#pragma once

#include <string>
#include <string_view>

namespace runner::executor {

// Returns the last line that an agent printed to stderr, or to stdout if stderr has none; empty if
// neither has a line. Reads only regular files with one link in the directory `workspace_fd`, and
// at most their last 64 KiB, because an agent may put anything in place of its logs.
std::string LastOutput(int workspace_fd);

// The last line of a text that shows anything, as valid UTF-8 on one line: escape sequences and
// control characters are removed, invalid bytes replaced, and it is cut to kMaxLastOutput bytes. A
// carriage return ends a line: a progress bar is as many lines as it was drawn.
std::string LastLine(std::string_view text);

}  // namespace runner::executor
