#pragma once

#include <map>
#include <vector>

#include "ingest/core/lease_table.h"
#include "tests/sim/environment.h"
#include "tests/sim/message.h"

namespace runner::sim {

using ingest::StreamId;

// The two ends of a stream.
class IngestPort {
 public:
  virtual void OnMessage(StreamId stream, const UpMessage& message) = 0;
  virtual void OnClosed(StreamId stream) = 0;

 protected:
  ~IngestPort() = default;
};
class ExecutorPort {
 public:
  virtual void OnMessage(StreamId stream, const DownMessage& message) = 0;
  virtual void OnEnded(StreamId stream, bool superseded) = 0;

 protected:
  ~ExecutorPort() = default;
};

// Streams between executors and ingest. In each direction messages arrive in order, each after its
// own delay, until the stream breaks: a completed write does not prove delivery. Each end detects a
// break independently, at once or after its keepalive timeout.
//
// An end that has closed receives nothing more.
class Network {
 public:
  explicit Network(Environment& env) : env_(env) {}

  // Null while ingest does not listen.
  void SetIngest(IngestPort* ingest);
  // Rejected dials also end with OnEnded.
  StreamId Dial(ExecutorPort& executor);
  void SendUp(StreamId stream, UpMessage message);
  void SendDown(StreamId stream, DownMessage message);

  // After everything that was sent.
  void CloseByExecutor(StreamId stream);
  void CloseByIngest(StreamId stream, bool superseded);
  // At once, as after the death of the process or TryCancel; messages in flight may still arrive.
  void LeaveByExecutor(StreamId stream);

  void Break(StreamId stream);
  void Stall(StreamId stream);
  std::vector<StreamId> Open() const;

 private:
  struct Stream {
    ExecutorPort* executor = nullptr;  // null after that end has closed
    bool ingest_open = false;
    bool up_cut = false;  // nothing more arrives
    bool down_cut = false;
    MonoTime up_last;  // arrival of the latest message
    MonoTime down_last;
  };

  Stream* Find(StreamId stream);
  Duration Delay();
  // How long an end takes to detect that the other end is gone.
  Duration NoticeAfter(bool cut);
  void EndAtIngest(StreamId stream);
  void EndAtExecutor(StreamId stream, bool superseded);
  void EraseIfClosed(StreamId stream);

  Environment& env_;
  IngestPort* ingest_ = nullptr;
  std::map<StreamId, Stream> streams_;
  StreamId last_ = 0;
};

}  // namespace runner::sim
