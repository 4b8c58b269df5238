#pragma once

#include <string>
#include <string_view>

#include "common/domain/dispatch.h"
#include "common/domain/incident.h"

namespace runner::sim {

// UpMessage: executor to ingest. DownMessage: ingest to executor.
using UpMessage = dispatch::ExecutorMessage;
using DownMessage = dispatch::IngestMessage;

// Names with static storage.
std::string_view NameOf(const UpMessage& message);
std::string_view NameOf(const DownMessage& message);

std::string TextOf(const Lease& lease);
std::string TextOf(const UpMessage& message);
std::string TextOf(const DownMessage& message);

// The lease in a message from an executor, or null.
const Lease* LeaseOf(const UpMessage& message);

}  // namespace runner::sim
