#pragma once

#include <string>

#include "common/domain/dispatch.h"

namespace runner::executor {

// Hears what comes over the channel, on the loop thread, never from inside a call of it.
class IngestChannelListener {
 public:
  // A message within the bounds of the protocol.
  virtual void OnMessage(const dispatch::IngestMessage& message) = 0;
  // The stream has ended: once for each Open. `superseded`: another executor with the same id has
  // attached. `error` says why, for people.
  virtual void OnEnded(bool superseded, const std::string& error) = 0;

 protected:
  ~IngestChannelListener() = default;
};

// The way to ingest: one Attach stream at a time. Belongs to the loop thread; no call blocks.
class IngestChannel {
 public:
  // Dials, and sends `hello` as the first message. Not while there is a stream.
  virtual void Open(dispatch::Hello hello, IngestChannelListener& listener) = 0;
  // A message that was sent may still be lost with the stream. Without a stream it is dropped.
  virtual void Send(dispatch::ExecutorMessage message) = 0;
  // Ends the stream once everything sent so far was written.
  virtual void Close() = 0;
  // Ends the stream at once.
  virtual void Cancel() = 0;

 protected:
  ~IngestChannel() = default;
};

}  // namespace runner::executor
