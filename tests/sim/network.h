#pragma once

#include <map>
#include <vector>

#include "ingest/core/lease_table.h"
#include "tests/sim/environment.h"
#include "tests/sim/message.h"

namespace runner::sim {

using ingest::StreamId;

// The ends of a stream.
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

// Streams between executors and ingest. In each direction messages arrive in order, each after a
// delay of its own, or, from some moment on, not at all: a write that was taken says nothing about
// delivery. Each end learns of a break by itself, at once or as late as keepalive lets it.
//
// An end that has closed hears nothing more of its stream.
class Network {
 public:
  explicit Network(Environment& env) : env_(env) {}

  // Null while nobody listens.
  void SetIngest(IngestPort* ingest);
  // Refused dials end by OnEnded as well.
  StreamId Dial(ExecutorPort& executor);
  void SendUp(StreamId stream, UpMessage message);
  void SendDown(StreamId stream, DownMessage message);

  // Behind what was sent.
  void CloseByExecutor(StreamId stream);
  void CloseByIngest(StreamId stream, bool superseded);
  // At once, as by the death of the process or TryCancel; what is under way may still arrive.
  void LeaveByExecutor(StreamId stream);

  void Break(StreamId stream);
  void Stall(StreamId stream);
  std::vector<StreamId> Open() const;

 private:
  struct Stream {
    ExecutorPort* executor = nullptr;  // null once that end has closed
    bool ingest_open = false;
    bool up_cut = false;  // nothing more arrives
    bool down_cut = false;
    MonoTime up_last;  // when the latest message arrives
    MonoTime down_last;
  };

  Stream* Find(StreamId stream);
  Duration Delay();
  // Until an end notices that the other one is gone.
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
