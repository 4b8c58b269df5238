#pragma once

#include <string>

#include "ingest/mcp/transport/cluster_connection.h"

namespace runner::ingest {

// What makes the sessions for the connections of one thread, as their options say. They share a
// reader of JSON; streams that show nothing are renewed at ages spread over a quarter below
// max_stream_age, so that those that were opened together are not renewed together. To be called on
// that thread.
ClusterConnection::NewSource NewMcpSessions(std::string client_version);

}  // namespace runner::ingest
