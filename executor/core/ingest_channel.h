#pragma once

#include <string>

#include "common/domain/dispatch.h"

namespace runner::executor {

// Receives the events of the channel on the loop thread, never from inside a call of the channel.
class IngestChannelListener {
 public:
  // `message` is within the bounds of the protocol.
  virtual void OnMessage(const dispatch::IngestMessage& message) = 0;
  // The stream has ended; called once for each Open. `superseded`: another executor with the same
  // id has attached. `error` is the cause, for people.
  virtual void OnEnded(bool superseded, const std::string& error) = 0;

 protected:
  ~IngestChannelListener() = default;
};

// The connection to ingest: one Attach stream at a time. Belongs to the loop thread; no call
// blocks.
class IngestChannel {
 public:
  // Opens a stream and sends `hello` as the first message. There must be no other stream.
  virtual void Open(dispatch::Hello hello, IngestChannelListener& listener) = 0;
  // A sent message may be lost with the stream. Without a stream it is dropped.
  virtual void Send(dispatch::ExecutorMessage message) = 0;
  // Ends the stream after all sent messages were written.
  virtual void Close() = 0;
  // Ends the stream immediately.
  virtual void Cancel() = 0;

 protected:
  ~IngestChannel() = default;
};

}  // namespace runner::executor
