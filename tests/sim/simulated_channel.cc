#include "tests/sim/simulated_channel.h"

#include "tests/sim/message.h"

namespace runner::sim {

void SimulatedChannel::Open(dispatch::Hello hello, executor::IngestChannelListener& listener) {
  listener_ = &listener;
  closing_ = false;
  stream_ = network_.Dial(*this);
  env_.transitions.Count("link", "detached", "dialling", "dial");
  env_.Note(name_, [&] {
    return "dials " + std::to_string(stream_) + ": " + TextOf(dispatch::ExecutorMessage(hello));
  });
  network_.SendUp(stream_, std::move(hello));
}

void SimulatedChannel::Send(dispatch::ExecutorMessage message) {
  if (stream_ == ingest::kNoStream || closing_) return;
  env_.Note(name_, [&] { return "sends " + TextOf(message); });
  observer_.OnSent(message);
  network_.SendUp(stream_, std::move(message));
}

void SimulatedChannel::Close() {
  closing_ = true;
  network_.CloseByExecutor(stream_);
}

// The listener is notified later, as of every event.
void SimulatedChannel::Cancel() {
  if (stream_ == ingest::kNoStream) return;
  network_.LeaveByExecutor(stream_);
  env_.events.After(&loop_, Duration::zero(), [this, stream = stream_] { OnEnded(stream, false); });
}

void SimulatedChannel::OnMessage(StreamId stream, const DownMessage& message) {
  loop_.RunOrDefer([this, stream, message] {
    if (stream != stream_) return;
    env_.Note(name_, [&] { return "receives " + TextOf(message); });
    observer_.BeforeMessage(message);
    listener_->OnMessage(message);
    observer_.AfterMessage(message);
  });
}

void SimulatedChannel::OnEnded(StreamId stream, bool superseded) {
  loop_.RunOrDefer([this, stream, superseded] { End(stream, superseded); });
}

void SimulatedChannel::End(StreamId stream, bool superseded) {
  if (stream != stream_) return;
  stream_ = ingest::kNoStream;
  env_.Note(name_, [&] { return std::string(superseded ? "is superseded" : "is detached"); });
  listener_->OnEnded(superseded, "");
}

}  // namespace runner::sim
