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
// The processes whose command line contains the text.
std::vector<ProcessEntry> ProcessesNaming(std::string_view text);
std::string Describe(const std::vector<ProcessEntry>& processes);

// Makes this process a child subreaper: orphaned descendants become its children. Throws
// std::system_error.
void BecomeSubreaper();

// Waits until this process has no child, dead or alive, and reaps those that end. Kills those that
// are left after the limit, and returns them.
std::vector<ProcessEntry> ReapUntilAlone(Duration limit);

}  // namespace runner::support
