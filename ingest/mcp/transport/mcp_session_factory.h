#pragma once

#include <string>

#include "ingest/mcp/transport/cluster_connection.h"

namespace runner::ingest {

// Returns the factory of the sessions of one thread. They share a JSON reader. Streams without
// keepalives are renewed at ages spread over a quarter below max_stream_age, so that streams that
// were opened together are not renewed together. The factory must be called on that thread.
ClusterConnection::NewProtocol NewMcpSessions(std::string client_version);

}  // namespace runner::ingest
