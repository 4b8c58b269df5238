#pragma once

#include "ingest/core/effects.h"

namespace runner::ingest {

// The way from the loop to the attached executors. Calls return at once; a message to a stream that
// has ended is dropped. Called on the loop thread.
class ExecutorStreams {
 public:
  virtual ~ExecutorStreams() = default;
  virtual void Send(const SendWelcome& message) = 0;
  virtual void Send(const SendOffer& message) = 0;
  virtual void Send(const SendRecorded& message) = 0;
  virtual void Send(const SendCancel& message) = 0;
  virtual void Send(const SendDrain& message) = 0;
  virtual void Send(const SendBeatAck& message) = 0;
  virtual void Send(const CloseSuperseded& message) = 0;
  virtual void Send(const CancelSilent& message) = 0;
};

}  // namespace runner::ingest
