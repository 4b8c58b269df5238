#pragma once

#include "ingest/config/config.h"

namespace runner::ingest {

// The part of the table that is about MCP servers: how they are reached, listened to and retried;
// and which they are, from the file or from the options for a single one, where `defaults` holds
// what they do not say themselves. Both outlive the table.
void DeclareConnection(ConfigTable& table, IngestConfig* config);
void DeclareClusters(ConfigTable& table, IngestConfig* config, const IngestConfig* defaults);

}  // namespace runner::ingest
