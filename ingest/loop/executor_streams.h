#pragma once

#include "common/domain/dispatch.h"
#include "ingest/core/lease_table.h"

namespace runner::ingest {

// Messages from the loop to the attached executors. Calls return at once; a message to a stream
// that has ended is dropped. Called on the loop thread.
class ExecutorStreams {
 public:
  virtual ~ExecutorStreams() = default;
  virtual void Send(StreamId stream, const dispatch::IngestMessage& message) = 0;
  // Closes a stream that another stream of the same executor has superseded, after its queued
  // messages are sent.
  virtual void CloseSuperseded(StreamId stream) = 0;
  // Cancels the call at once, since the executor does not respond.
  virtual void CancelSilent(StreamId stream) = 0;
};

}  // namespace runner::ingest
