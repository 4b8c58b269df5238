#pragma once

#include <cstddef>
#include <map>

#include "ingest/core/lease_table.h"

namespace runner::ingest {

// Bounds what the streams of all executors hold together: messages that were read and are not
// handled yet, and messages that are not written yet. Beyond the bound of all, a stream may still
// hold its share: an executor that holds little is not affected by those that hold much. At most
// `bytes + streams * share` are held. Pure; not thread-safe.
class StreamBudget {
 public:
  struct Limits {
    std::size_t streams = 100;
    std::size_t bytes = std::size_t{64} << 20;
    std::size_t share = std::size_t{1} << 20;  // more than an offer of the largest size takes
  };

  StreamBudget() = default;
  explicit StreamBudget(Limits limits) : limits_(limits) {}

  // False: there are too many streams.
  bool Open(StreamId stream);
  // What the stream holds is given back. A stream that is not open changes nothing, here and below.
  void Close(StreamId stream);
  // False: the bytes exceed the bound, and nothing was taken.
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
