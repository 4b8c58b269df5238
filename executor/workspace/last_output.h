#pragma once

#include <string>
#include <string_view>

namespace runner::executor {

// The last line that an agent printed: of stderr, or of stdout where stderr has none. Of the logs
// in the directory `workspace_fd` only regular files with one link are read, and no more than their
// last 64 KiB: an agent may put anything in their place. Empty when there is no such line.
std::string LastOutput(int workspace_fd);

// The last line of a text that shows anything, as valid UTF-8 on one line: escape sequences and
// control characters are removed, invalid bytes replaced, and it is cut to kMaxLastOutput bytes. A
// carriage return ends a line: a progress bar is as many lines as it was drawn.
std::string LastLine(std::string_view text);

}  // namespace runner::executor
