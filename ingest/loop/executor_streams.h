#pragma once

#include "common/domain/dispatch.h"
#include "ingest/core/lease_table.h"

namespace runner::ingest {

// The way from the loop to the attached executors. Calls return at once; a message to a stream that
// has ended is dropped. Called on the loop thread.
class ExecutorStreams {
 public:
  virtual ~ExecutorStreams() = default;
  virtual void Send(StreamId stream, const dispatch::IngestMessage& message) = 0;
  // Another stream of the same executor has taken over: it is told so, after what was sent.
  virtual void CloseSuperseded(StreamId stream) = 0;
  // At once, since the executor does not answer.
  virtual void CancelSilent(StreamId stream) = 0;
};

}  // namespace runner::ingest
