#pragma once

#include <string>
#include <vector>

namespace runner {

// The options of each program by their keys in a file, the shared ones apart: one file may serve
// both programs, and each passes over what only the other one takes. Tests hold these lists against
// the tables.
std::vector<std::string> IngestOnlyKeys();
std::vector<std::string> ExecutorOnlyKeys();

}  // namespace runner
