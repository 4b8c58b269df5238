#pragma once

#include <string>
#include <utility>

#include "executor/core/ingest_channel.h"
#include "tests/sim/network.h"
#include "tests/sim/process_timers.h"

namespace runner::sim {

// Observes the messages of a channel.
class ChannelObserver {
 public:
  virtual void OnSent(const UpMessage& message) = 0;
  virtual void BeforeMessage(const DownMessage& message) = 0;
  virtual void AfterMessage(const DownMessage& message) = 0;

 protected:
  ~ChannelObserver() = default;
};

// The channel of one executor over the simulated network. As with gRPC, a stream that has ended
// delivers nothing.
class SimulatedChannel final : public executor::IngestChannel, private ExecutorPort {
 public:
  SimulatedChannel(Environment& env, Network& network, ProcessTimers& loop, std::string name,
                   ChannelObserver& observer)
      : env_(env), network_(network), loop_(loop), name_(std::move(name)), observer_(observer) {}
  ~SimulatedChannel() { network_.LeaveByExecutor(stream_); }
  SimulatedChannel(const SimulatedChannel&) = delete;
  SimulatedChannel& operator=(const SimulatedChannel&) = delete;

  void Open(dispatch::Hello hello, executor::IngestChannelListener& listener) override;
  void Send(dispatch::ExecutorMessage message) override;
  void Close() override;
  void Cancel() override;

  StreamId stream() const { return stream_; }
  // Delivers a message a second time.
  void Repeat(const DownMessage& message) { listener_->OnMessage(message); }

 private:
  void OnMessage(StreamId stream, const dispatch::IngestMessage& message) override;
  void OnEnded(StreamId stream, bool superseded) override;
  void End(StreamId stream, bool superseded);

  Environment& env_;
  Network& network_;
  ProcessTimers& loop_;
  const std::string name_;
  ChannelObserver& observer_;
  executor::IngestChannelListener* listener_ = nullptr;
  StreamId stream_ = ingest::kNoStream;
  bool closing_ = false;
};

}  // namespace runner::sim
