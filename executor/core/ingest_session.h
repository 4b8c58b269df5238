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

// Hears what comes over the session, on the loop thread.
class IngestSessionListener {
 public:
  // The first message of a new stream.
  virtual dispatch::Hello MakeHello() = 0;
  // Why this Welcome is none, if so: the stream is ended, and another one dialled later.
  virtual std::optional<std::string> WhyNotAttach(const dispatch::Welcome& welcome) const = 0;
  // The first of a stream is always a Welcome.
  virtual void OnMessage(const dispatch::IngestMessage& message) = 0;
  // A welcomed stream has ended; the session dials again by itself. When superseded, another
  // executor with the same id has taken over, and the session stays down.
  virtual void OnDetached(bool superseded) = 0;

 protected:
  ~IngestSessionListener() = default;
};

// Stays attached to ingest: dials, says Hello, sends keep-alives, and after each loss dials again
// with full jitter, 0.1 s to 10 s. Belongs to the loop thread, except `attached`.
class IngestSession final : private IngestChannelListener {
 public:
  // `address` of ingest, for the log. `random` is uniform in [0, 1). What is referred to must
  // outlive this.
  IngestSession(std::string address, IngestChannel& channel, Timers& timers,
                IngestSessionListener& listener, std::function<double()> random, Logger logger);
  ~IngestSession();
  IngestSession(const IngestSession&) = delete;
  IngestSession& operator=(const IngestSession&) = delete;

  void Start() { Dial(); }
  // Sends, or drops the message when not attached: a Hello settles everything anew.
  void Send(dispatch::ExecutorMessage message);
  // Dials no more, and ends the stream once everything sent so far was written, or after `limit`;
  // `closed` then runs.
  void Close(Duration limit, std::function<void()> closed);

  // When that was sent what ingest has answered last (Hello, a keep-alive): it knew of this
  // executor then.
  MonoTime confirmed_at() const { return confirmed_at_; }

  // Welcomed by ingest. Any thread.
  bool attached() const { return attached_.load(std::memory_order_relaxed); }

 private:
  void OnMessage(const dispatch::IngestMessage& message) override;
  void OnEnded(bool superseded, const std::string& error) override;

  void Dial();
  void OnWelcome(const dispatch::Welcome& welcome);
  // Ends the stream for this reason.
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
  // Keep-alives of this stream, and when they were sent.
  std::map<std::uint64_t, MonoTime> unanswered_;
  MonoTime dialled_at_;
  MonoTime confirmed_at_;
  std::string refused_;  // why this stream was
  Duration keep_alive_interval_{};
  Duration lease_ttl_{};
  Timers::TimerId retry_timer_ = Timers::kNoTimer;
  Timers::TimerId welcome_timer_ = Timers::kNoTimer;
  Timers::TimerId keep_alive_timer_ = Timers::kNoTimer;
  Timers::TimerId close_timer_ = Timers::kNoTimer;
  std::string last_error_;
};

}  // namespace runner::executor
