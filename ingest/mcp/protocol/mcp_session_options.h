#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "ingest/mcp/protocol/mcp_protocol.h"

namespace runner::ingest {

class JsonRpcReader;

struct McpSessionOptions {
  std::string client_version;
  McpMode mode = McpMode::kAuto;
  Transport transport = Transport::kAuto;
  Duration request_timeout = std::chrono::seconds(10);
  Duration list_timeout = std::chrono::seconds(60);  // for the answer of events_list
  // Silence after which the subscription is checked.
  Duration ping_interval = std::chrono::seconds(30);
  Duration poll_interval = std::chrono::seconds(30);
  // For a stream that has sent keepalive comments, and for one event from its first byte to its
  // last.
  Duration idle_timeout = std::chrono::seconds(90);
  // Age at which a stream that sends no comments is reopened; zero: never.
  Duration max_stream_age = std::chrono::minutes(30);
  // Whether events that happened while no subscription existed are listed afterwards.
  bool backfill = true;
  // Names of the tools events_subscribe and events_list at this server; empty: event_tools.h finds
  // them.
  std::string subscribe_tool = {};
  std::string events_tool = {};
  // Shared by the sessions of a thread, because it keeps some memory; null: the session has its
  // own.
  std::shared_ptr<JsonRpcReader> reader;
};

}  // namespace runner::ingest
