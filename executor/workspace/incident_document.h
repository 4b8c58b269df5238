#pragma once

#include <string>

#include "common/domain/incident.h"

namespace runner::executor {

// Returns incident.json, the agent's input. U+FFFD replaces bytes that are not UTF-8.
std::string IncidentDocument(const Lease& lease, const Incident& incident);

}  // namespace runner::executor
