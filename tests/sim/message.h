#pragma once

#include <string>
#include <string_view>

#include "common/domain/dispatch.h"
#include "common/domain/incident.h"

namespace runner::sim {

// From an executor to ingest, and from ingest to an executor.
using UpMessage = dispatch::ExecutorMessage;
using DownMessage = dispatch::IngestMessage;

// Words with static storage.
std::string_view NameOf(const UpMessage& message);
std::string_view NameOf(const DownMessage& message);

std::string TextOf(const Lease& lease);
std::string TextOf(const UpMessage& message);
std::string TextOf(const DownMessage& message);

// The lease that a message from an executor speaks of, or null.
const Lease* LeaseOf(const UpMessage& message);

}  // namespace runner::sim
