#pragma once

#include "executor/shim/record.h"

namespace runner::executor {

// Leaves the record as a JSON document at `path`: written beside it under another name, synced,
// renamed, so that the file is complete or absent. False when that failed; nothing is left then.
bool WriteResult(const char* path, const ShimRecord& record);

}  // namespace runner::executor
