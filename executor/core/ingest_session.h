#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "common/base/backoff.h"
#include "common/domain/dispatch.h"
#include "common/loop/timers.h"
#include "common/observability/logger.h"
#include "executor/core/ingest_channel.h"

namespace runner::executor {

// Receives the events of the session on the loop thread.
class IngestSessionListener {
 public:
  // Returns the first message of a new stream.
  virtual dispatch::Hello MakeHello() = 0;
  // Returns the reason to reject this Welcome, or nothing. A rejected stream is ended, and another
  // is opened later.
  virtual std::optional<std::string> WhyNotAttach(const dispatch::Welcome& welcome) const = 0;
  // The first message of a stream is always a Welcome.
  virtual void OnMessage(const dispatch::IngestMessage& message) = 0;
  // A welcomed stream has ended; the session reconnects by itself. If superseded, another executor
  // with the same id has attached, and the session stays down.
  virtual void OnDetached(bool superseded) = 0;

 protected:
  ~IngestSessionListener() = default;
};

// Keeps the executor attached to ingest: connects, sends Hello and keep-alives, and after each loss
// reconnects with full jitter, 0.1 s to 10 s. Belongs to the loop thread, except `attached`.
class IngestSession final : private IngestChannelListener {
 public:
  // `address` of ingest is for the log. `random` returns numbers uniform in [0, 1). All references
  // must outlive this.
  IngestSession(std::string address, IngestChannel& channel, Timers& timers,
                IngestSessionListener& listener, std::function<double()> random, Logger logger);
  ~IngestSession();
  IngestSession(const IngestSession&) = delete;
  IngestSession& operator=(const IngestSession&) = delete;

  void Start() { Dial(); }
  // Sends the message, or drops it if not attached: the next Hello reports the complete state.
  void Send(dispatch::ExecutorMessage message);
  // Stops reconnecting and ends the stream after all sent messages were written, or after `limit`;
  // then calls `closed`.
  void Close(Duration limit, std::function<void()> closed);

  // When the latest message that ingest has answered (Hello or a keep-alive) was sent: the lease
  // deadline counts from this time.
  MonoTime confirmed_at() const { return confirmed_at_; }

  // Welcomed by ingest. Any thread.
  bool attached() const { return attached_.load(std::memory_order_relaxed); }

 private:
  void OnMessage(const dispatch::IngestMessage& message) override;
  void OnEnded(bool superseded, const std::string& error) override;

  void Dial();
  void OnWelcome(const dispatch::Welcome& welcome);
  // Cancels the stream for this reason.
  void Refuse(std::string why);
  void SendKeepAlive();
  void OnKeepAliveAck(std::uint64_t seq);

  const std::string address_;
  IngestChannel& channel_;
  Timers& timers_;
  IngestSessionListener& listener_;
  const std::function<double()> random_;
  const Logger logger_;
  FullJitterBackoff backoff_;
  bool open_ = false;
  std::atomic<bool> attached_{false};
  std::function<void()> closed_;
  bool closing_ = false;
  std::uint64_t keep_alives_ = 0;
  // The keep-alives of this stream without an answer, with their send times.
  std::map<std::uint64_t, MonoTime> unanswered_;
  MonoTime dialled_at_;
  MonoTime confirmed_at_;
  std::string refused_;  // why this stream is being cancelled; empty: it is not
  Duration keep_alive_interval_{};
  Duration lease_ttl_{};
  Timers::TimerId retry_timer_ = Timers::kNoTimer;
  Timers::TimerId welcome_timer_ = Timers::kNoTimer;
  Timers::TimerId keep_alive_timer_ = Timers::kNoTimer;
  Timers::TimerId close_timer_ = Timers::kNoTimer;
  std::string last_error_;
};

}  // namespace runner::executor
