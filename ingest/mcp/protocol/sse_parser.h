#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace runner::ingest {

// One server-sent event as dispatched by a blank line.
struct SseEvent {
  std::string type;  // of the `event` field; empty means "message"
  std::string data;  // the `data` lines joined with LF; empty when all of them were
  std::string last_event_id;

  bool operator==(const SseEvent&) const = default;
};

struct SseLimits {
  std::size_t max_line = std::size_t{1} << 20;   // bytes of one line
  std::size_t max_event = std::size_t{4} << 20;  // bytes of the data of one event
  // Bytes of an id. Servers reject a Last-Event-ID header of twice this, so a longer id is useless.
  std::size_t max_id = std::size_t{4} << 10;
};

// Parses an event stream as the WHATWG HTML standard describes it (section 9.2.6, "Interpreting an
// event stream"): bytes in, events out, no I/O. The result does not depend on how the bytes are cut
// into chunks. Invalid UTF-8 is passed through; the decoder of the data rejects it.
//
// Memory is bounded: an event over a limit is dropped and reported, a line over its limit is
// skipped to its end, and parsing continues. A line that is longer than the limit of an event is
// reported as endless, once. An id over its limit is ignored, as the standard ignores one with a
// NUL.
//
// Not thread-safe. The callbacks run inside Put and must not call it.
class SseParser {
 public:
  struct Handlers {
    std::function<void(SseEvent)> on_event;  // only events with a `data` field
    std::function<void(std::chrono::milliseconds)> on_retry;
    std::function<void()> on_oversize;  // an event was dropped because of a limit
    std::function<void()> on_endless = [] {};
    // If set, the data of an event comes in pieces as the bytes arrive, lines joined with LF,
    // without a limit; on_event follows with empty data. The receiver bounds what it keeps.
    std::function<void(std::string_view)> on_data = nullptr;
  };

  explicit SseParser(Handlers handlers, SseLimits limits = {});

  void Put(std::string_view bytes);

  // The id of the last complete event that had one, empty if none; what Last-Event-ID would carry.
  const std::string& last_event_id() const { return last_event_id_; }
  // Comment lines, which servers send to keep a stream alive.
  std::uint64_t comments() const { return comments_; }
  // Events dispatched.
  std::uint64_t events() const { return events_; }
  // Whether bytes of an event were received, and not the blank line that ends it.
  bool mid_event() const;
  // Bytes of memory that hold the event under way.
  std::size_t buffered() const { return line_.capacity() + data_.capacity() + type_.capacity(); }
  // Frees them: the event under way is dropped and reported as one over a limit. Not inside Put.
  void DropEvent();

 private:
  void TakeLinePart(std::string_view part);
  bool BeginDataLine();
  void EndLine();
  void Field(std::string_view name, std::string_view value);
  void Dispatch();

  const Handlers handlers_;
  const SseLimits limits_;

  std::string line_;
  bool line_too_long_ = false;
  bool in_data_line_ = false;      // the rest of this line goes to on_data
  std::size_t skipped_ = 0;        // bytes of a line that is too long
  bool endless_reported_ = false;  // of this line
  bool after_cr_ = false;          // a following LF belongs to the CR before it
  std::size_t bom_matched_ = 0;  // bytes of a byte order mark at the start of the stream, 3 = past

  std::string type_;
  std::string data_;
  bool has_data_ = false;
  bool event_too_long_ = false;
  std::string id_;           // kept from event to event
  bool id_changed_ = false;  // it is not yet last_event_id_
  std::string last_event_id_;
  std::uint64_t comments_ = 0;
  std::uint64_t events_ = 0;
  bool field_seen_ = false;  // since the last blank line
};

}  // namespace runner::ingest
