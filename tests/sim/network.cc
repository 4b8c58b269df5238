#include "tests/sim/network.h"

#include <algorithm>
#include <utility>

namespace runner::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A ping every 10 s and 5 s for its acknowledgement.
constexpr Duration kKeepaliveNotices = seconds(15);

}  // namespace

Network::Stream* Network::Find(StreamId stream) {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? nullptr : &found->second;
}

Duration Network::Delay() {
  if (env_.Strikes(Fault::kSlowWire)) return env_.random.Between(milliseconds(10), seconds(3));
  return env_.random.Between(microseconds(50), milliseconds(5));
}

Duration Network::NoticeAfter(bool cut) {
  return cut ? env_.random.Between(Duration::zero(), kKeepaliveNotices)
             : env_.random.Between(microseconds(50), milliseconds(100));
}

void Network::SetIngest(IngestPort* ingest) {
  ingest_ = ingest;
  for (auto& [id, stream] : streams_) {
    if (!stream.ingest_open) continue;
    stream.ingest_open = false;
    env_.events.After(this, NoticeAfter(env_.random.Chance(200)),
                      [this, ended = id] { EndAtExecutor(ended, false); });
  }
}

StreamId Network::Dial(ExecutorPort& executor) {
  const StreamId id = ++last_;
  Stream& stream = streams_[id];
  stream.executor = &executor;
  stream.ingest_open = ingest_ != nullptr && !env_.Strikes(Fault::kRefuseDial);
  if (!stream.ingest_open) {
    env_.events.After(this, Delay(), [this, id] { EndAtExecutor(id, false); });
  }
  return id;
}

void Network::SendUp(StreamId id, UpMessage message) {
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  stream->up_last = std::max(stream->up_last, env_.Now() + Delay());
  env_.events.At(this, stream->up_last, [this, id, message = std::move(message)] {
    const Stream* at = Find(id);
    if (at != nullptr && at->ingest_open && !at->up_cut) ingest_->OnMessage(id, message);
  });
}

void Network::SendDown(StreamId id, DownMessage message) {
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  stream->down_last = std::max(stream->down_last, env_.Now() + Delay());
  env_.events.At(this, stream->down_last, [this, id, message = std::move(message)] {
    const Stream* at = Find(id);
    if (at != nullptr && at->executor != nullptr && !at->down_cut) {
      at->executor->OnMessage(id, message);
    }
  });
}

void Network::CloseByExecutor(StreamId id) {
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  const Duration notice = stream->up_cut ? NoticeAfter(true) : Delay();
  stream->up_last = std::max(stream->up_last, env_.Now() + notice);
  env_.events.At(this, stream->up_last, [this, id] { EndAtIngest(id); });
}

void Network::CloseByIngest(StreamId id, bool superseded) {
  Stream* stream = Find(id);
  if (stream == nullptr || !std::exchange(stream->ingest_open, false)) return;
  // A status that does not arrive is unknown.
  const bool known = superseded && !stream->down_cut;
  const Duration notice = stream->down_cut ? NoticeAfter(true) : Delay();
  stream->down_last = std::max(stream->down_last, env_.Now() + notice);
  env_.events.At(this, stream->down_last, [this, id, known] {
    const Stream* at = Find(id);
    EndAtExecutor(id, known && at != nullptr && !at->down_cut);
  });
  EraseIfClosed(id);
}

void Network::LeaveByExecutor(StreamId id) {
  Stream* stream = Find(id);
  if (stream == nullptr || std::exchange(stream->executor, nullptr) == nullptr) return;
  const bool cut = stream->up_cut || env_.random.Chance(300);
  stream->up_cut = stream->up_cut || env_.random.Chance(300);
  env_.events.At(this, std::max(stream->up_last, env_.Now() + NoticeAfter(cut)),
                 [this, id] { EndAtIngest(id); });
  EraseIfClosed(id);
}

void Network::Break(StreamId id) {
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  const std::size_t which = env_.random.Below(3);
  stream->up_cut = stream->up_cut || which != 0;
  stream->down_cut = stream->down_cut || which != 1;
  const bool silent = env_.random.Chance(500);
  env_.events.After(this, NoticeAfter(silent), [this, id] { EndAtExecutor(id, false); });
  env_.events.After(this, NoticeAfter(silent), [this, id] { EndAtIngest(id); });
}

void Network::Stall(StreamId id) {
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  const std::size_t which = env_.random.Below(3);
  const MonoTime until = env_.Now() + env_.random.Between(seconds(1), seconds(40));
  if (which != 0) stream->up_last = std::max(stream->up_last, until);
  if (which != 1) stream->down_last = std::max(stream->down_last, until);
}

std::vector<StreamId> Network::Open() const {
  std::vector<StreamId> open;
  for (const auto& [id, stream] : streams_) open.push_back(id);
  return open;
}

void Network::EndAtIngest(StreamId id) {
  Stream* stream = Find(id);
  if (stream == nullptr || !std::exchange(stream->ingest_open, false)) return;
  stream->down_last = std::max(stream->down_last, env_.Now() + NoticeAfter(stream->down_cut));
  env_.events.At(this, stream->down_last, [this, id] { EndAtExecutor(id, false); });
  ingest_->OnClosed(id);
  EraseIfClosed(id);
}

void Network::EndAtExecutor(StreamId id, bool superseded) {
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  ExecutorPort* executor = std::exchange(stream->executor, nullptr);
  if (stream->ingest_open && executor != nullptr) {
    stream->up_cut = true;
    env_.events.After(this, NoticeAfter(true), [this, id] { EndAtIngest(id); });
  }
  EraseIfClosed(id);
  if (executor != nullptr) executor->OnEnded(id, superseded);
}

void Network::EraseIfClosed(StreamId id) {
  const Stream* stream = Find(id);
  if (stream != nullptr && stream->executor == nullptr && !stream->ingest_open) streams_.erase(id);
}

}  // namespace runner::sim
