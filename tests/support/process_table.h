#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "common/base/clock.h"

namespace runner::support {

// Processes as /proc shows them; zombies are no processes here.
struct ProcessEntry {
  pid_t pid = 0;
  pid_t parent = 0;
  std::string command_line;  // words separated by spaces
};

std::vector<ProcessEntry> AllProcesses();
// Those whose command line holds the text.
std::vector<ProcessEntry> ProcessesNaming(std::string_view text);
std::string Describe(const std::vector<ProcessEntry>& processes);

// From now on whatever a descendant leaves behind becomes a child of this process. Throws
// std::system_error.
void BecomeSubreaper();

// Waits until this process has no child at all, dead or alive, and reaps what ends by itself. After
// the limit whatever is left is killed, and returned.
std::vector<ProcessEntry> ReapUntilAlone(Duration limit);

}  // namespace runner::support
