#pragma once

#include <chrono>
#include <string>

#include "common/base/clock.h"
#include "ingest/mcp/protocol/mcp_protocol.h"
#include "ingest/mcp/transport/http_request.h"

namespace runner::ingest {

// How one MCP server is reached and its events are received.
struct ConnectionOptions {
  std::string cluster;   // the configured name
  std::string endpoint;  // URL of the MCP server
  McpMode mode = McpMode::kAuto;
  Transport transport = Transport::kAuto;
  std::string token_file = {};  // holds a bearer token; or empty
  HttpHeaders headers = {};     // sent with every request; their values are secrets
  TlsFiles tls = {};
  Duration initial_delay = std::chrono::seconds(1);
  Duration max_delay = std::chrono::seconds(60);
  Duration request_timeout = std::chrono::seconds(10);
  Duration list_timeout = std::chrono::seconds(60);    // for the answer of events_list
  Duration ping_interval = std::chrono::seconds(30);   // of silence, until a check
  Duration idle_timeout = std::chrono::seconds(90);    // of a stream that has sent keepalives
  Duration max_stream_age = std::chrono::minutes(30);  // of a stream that sends none
  Duration poll_interval = std::chrono::seconds(30);
  std::string subscribe_tool = {};  // names of these tools at this server; empty: by default
  std::string events_tool = {};
  bool backfill = true;  // list the events that happened between two subscriptions
};

}  // namespace runner::ingest
