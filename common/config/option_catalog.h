#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/config/option.h"

namespace runner {

enum class Program { kIngest, kExecutor };

// The section of a configuration file that only this program reads: "ingest", "executor".
std::string_view SectionOf(Program program);

// The options of both programs: names, environment variables, defaults, help and groups. They stand
// in one place because one configuration file may serve both programs, and each has to know the
// keys of the other to tell them from misspelt ones. The program that has an option says where its
// value goes and what is allowed (MakeConfigTable).

// Of an option that `program` has, or both have. std::logic_error if there is none.
OptionSpec SpecOf(std::string_view flag);

// The keys of a configuration file that `program` has and the other has not, blocks included.
std::vector<std::string> KeysOnlyOf(Program program);

}  // namespace runner
