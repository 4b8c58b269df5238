#pragma once

#include <string>

#include "common/domain/incident.h"

namespace runner::executor {

// incident.json, which is what the agent is told about its incident. Bytes that are not UTF-8 are
// replaced by U+FFFD.
std::string IncidentDocument(const Lease& lease, const Incident& incident);

}  // namespace runner::executor
