#include "ingest/mcp/transport/mcp_session_factory.h"

#include <chrono>
#include <memory>
#include <random>
#include <utility>

#include "ingest/mcp/protocol/jsonrpc.h"
#include "ingest/mcp/protocol/mcp_session.h"

namespace runner::ingest {

ClusterConnection::NewProtocol NewMcpSessions(std::string client_version) {
  return [version = std::move(client_version), reader = std::make_shared<JsonRpcReader>(),
          engine = std::make_shared<std::mt19937_64>(std::random_device{}())](
             const ConnectionOptions& connection, EventHistory& history) {
    McpSessionOptions options;
    options.client_version = version;
    options.mode = connection.mode;
    options.transport = connection.transport;
    options.request_timeout = connection.request_timeout;
    options.list_timeout = connection.list_timeout;
    options.subscribe_tool = connection.subscribe_tool;
    options.events_tool = connection.events_tool;
    options.ping_interval = connection.ping_interval;
    options.poll_interval = connection.poll_interval;
    options.idle_timeout = connection.idle_timeout;
    const double spread = std::uniform_real_distribution<>(0.75, 1.0)(*engine);
    options.max_stream_age =
        std::chrono::duration_cast<Duration>(connection.max_stream_age * spread);
    options.backfill = connection.backfill;
    options.reader = reader;
    return std::make_unique<McpSession>(std::move(options), history);
  };
}

}  // namespace runner::ingest
