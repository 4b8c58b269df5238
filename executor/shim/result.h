#pragma once

#include "executor/shim/record.h"

namespace runner::executor {

// Writes the record as a JSON document to `path`: written to a temporary name, synced, renamed, so
// that the file is complete or absent. Returns false on failure; no file is left then.
bool WriteResult(const char* path, const ShimRecord& record);

}  // namespace runner::executor
