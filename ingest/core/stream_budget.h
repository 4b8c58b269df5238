#pragma once

#include <cstddef>
#include <map>

#include "ingest/core/lease_table.h"

namespace runner::ingest {

// Bounds the memory of the streams of all executors: messages read but not handled, and messages
// not written yet. Beyond `bytes`, a stream may still hold its share, so that an executor that
// holds little is not affected by those that hold much. The total is at most `bytes + streams *
// share`. Pure; not thread-safe.
class StreamBudget {
 public:
  struct Limits {
    std::size_t streams = 100;
    std::size_t bytes = std::size_t{64} << 20;
    std::size_t share = std::size_t{1} << 20;  // more than the largest offer
  };

  StreamBudget() = default;
  explicit StreamBudget(Limits limits) : limits_(limits) {}

  // Returns false if there are too many streams.
  bool Open(StreamId stream);
  // Releases what the stream holds. A stream that is not open changes nothing, here and below.
  void Close(StreamId stream);
  // Returns false, and takes nothing, if the bytes exceed the bound.
  bool Take(StreamId stream, std::size_t bytes);
  void Give(StreamId stream, std::size_t bytes);

  std::size_t total() const { return total_; }
  std::size_t streams() const { return held_.size(); }

 private:
  const Limits limits_;
  std::map<StreamId, std::size_t> held_;
  std::size_t total_ = 0;
};

}  // namespace runner::ingest
