#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ingest/mcp/protocol/sse_parser.h"

namespace runner::ingest {

// All callbacks of a parser for one stream.
struct SseRecord {
  std::vector<SseEvent> events;
  std::vector<std::int64_t> retries;  // milliseconds
  std::size_t oversize = 0;
  std::uint64_t comments = 0;
  std::string last_event_id;

  bool operator==(const SseRecord&) const = default;
};

inline SseRecord Parse(const std::vector<std::string_view>& chunks, SseLimits limits = {}) {
  SseRecord record;
  SseParser parser(
      {.on_event = [&](SseEvent event) { record.events.push_back(std::move(event)); },
       .on_retry =
           [&](std::chrono::milliseconds delay) { record.retries.push_back(delay.count()); },
       .on_oversize = [&] { ++record.oversize; }},
      limits);
  for (const std::string_view chunk : chunks) parser.Put(chunk);
  record.comments = parser.comments();
  record.last_event_id = parser.last_event_id();
  return record;
}

// The same by a parser that hands out data as it comes.
inline SseRecord ParseInPieces(const std::vector<std::string_view>& chunks, SseLimits limits = {}) {
  SseRecord record;
  std::string data;
  SseParser parser(
      {.on_event =
           [&](SseEvent event) {
             event.data = std::exchange(data, {});
             record.events.push_back(std::move(event));
           },
       .on_retry =
           [&](std::chrono::milliseconds delay) { record.retries.push_back(delay.count()); },
       .on_oversize = [&] { ++record.oversize; },
       .on_data = [&](std::string_view piece) { data.append(piece); }},
      limits);
  for (const std::string_view chunk : chunks) parser.Put(chunk);
  record.comments = parser.comments();
  record.last_event_id = parser.last_event_id();
  return record;
}

}  // namespace runner::ingest
