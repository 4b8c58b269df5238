#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/mcp/protocol/cluster_event.h"

namespace runner::ingest {

// Warning events of one list that are used; entries beyond them are counted only.
constexpr std::size_t kMaxListedEvents = 10'000;
// Bytes of the message of one entry. A longer message is cut and ends with the truncation marker.
constexpr std::size_t kMaxListedMessage = std::size_t{256} << 10;
// Bytes of YAML at the beginning of each message that are read at once. The YAML parser reads some
// 4 MB a second, and most entries of a list are known from the list before: CompleteMessage reads
// the whole message of those that are new.
constexpr std::size_t kEagerMessage = 512;
// Bytes of all longer messages of one list. Messages beyond them are cut to their beginning, so
// that no event is lost and the memory of a list is bounded.
constexpr std::size_t kMaxListedMessages = std::size_t{32} << 20;

// A list of events, parsed.
struct EventList {
  bool is_list = false;              // false: the text is something else
  std::vector<ClusterEvent> events;  // of type Warning only
  std::size_t dropped = 0;    // entries beyond kMaxListedEvents, and entries that are no YAML
  std::size_t truncated = 0;  // events whose message lacks its end
};

// Parses the answer of the tool events_list of a kubernetes-mcp-server as it arrives: a line of
// prose, then a YAML sequence of
//
//   - InvolvedObject: {Kind: Pod, Name: cart-0, apiVersion: v1}
//     Message: ...
//     Namespace: shop
//     Reason: BackOff
//     Timestamp: 2026-11-25 16:48:44 +0000 UTC
//     Type: Warning
//
// The prose is a comment, or (v0.0.18 to v0.0.52) a sentence that ends in a colon. Keys are read in
// any case, in block or flow style; also Count, Series {count, lastObservedTime}, EventTime,
// FirstTimestamp and LastTimestamp, of which the latest time counts. An entry without a time, or
// with Go's zero time, has no timestamp. Other members are skipped.
//
// Lines divide the text into entries, and each entry is parsed by itself: one entry that is long or
// broken does not affect the others. Nothing is expanded and no document is built. Memory: the
// events, and up to 1 MiB of the entry under way, for which the YAML parser may need 64 MiB
// temporarily. Time: that of the YAML parser for 32 MiB. Not thread-safe. Never throws.
class EventListReader {
 public:
  EventListReader();
  ~EventListReader();
  EventListReader(EventListReader&&) noexcept;
  EventListReader& operator=(EventListReader&&) noexcept;

  // The next bytes of the text, cut anywhere.
  void Put(std::string_view text);
  // Bytes of memory that hold long messages, events and the entry under way, by estimate.
  std::size_t buffered() const;
  // The end of the text. The next byte begins another list.
  EventList Finish();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

EventList ReadEventList(std::string_view text);

// Reads the whole message of a listed event.
void CompleteMessage(ClusterEvent& event);

}  // namespace runner::ingest
