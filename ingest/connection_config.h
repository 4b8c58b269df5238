#pragma once

#include "ingest/config.h"

namespace runner::ingest {

// The part of the table that is about MCP servers: how they are reached, listened to and retried;
// and which they are, from the file or from the options for a single one. `config` outlives the
// table.
void DeclareConnection(ConfigTable& table, IngestConfig* config);
void DeclareClusters(ConfigTable& table, IngestConfig* config);

}  // namespace runner::ingest
