#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/backoff.h"
#include "common/inbox.h"
#include "common/logging.h"
#include "runner/v1/dispatch.grpc.pb.h"

namespace runner {
class CallGuard;
class TlsCredentials;
}  // namespace runner

namespace runner::executor {

// How ingest and this executor know each other.
struct LinkSecurity {
  CallGuard& guard;                     // has the shared token, if there is one
  const TlsCredentials* tls = nullptr;  // null, and on a Unix socket: plain text
};

// Hears what comes over the link, on the loop thread.
class IngestLinkListener {
 public:
  // The first message of a new stream.
  virtual v1::Hello MakeHello() = 0;
  // The first of a stream is always a Welcome.
  virtual void OnMessage(const v1::IngestMessage& message) = 0;
  // Why this Welcome is none, if so: the stream is ended, and another one dialled later.
  virtual std::optional<std::string> WhyNotAttach(const v1::Welcome& welcome) const = 0;
  // A welcomed stream has ended; the link dials again by itself. When superseded, another executor
  // with the same id has taken over, and the link stays down.
  virtual void OnDetached(bool superseded) = 0;

 protected:
  ~IngestLinkListener() = default;
};

// Keeps one Attach stream to ingest: dials, says Hello, beats, and after each loss dials again with
// full jitter, 0.1 s to 10 s.
//
// Belongs to the loop thread; gRPC's threads only post.
class IngestLink {
 public:
  // `address` as gRPC dials it: host:port or unix:/path. What is referred to must outlive this.
  IngestLink(const std::string& address, LinkSecurity security, Inbox& inbox,
             IngestLinkListener& listener, Logger logger);
  // Cancels the stream and waits until gRPC has let go of it.
  ~IngestLink();
  IngestLink(const IngestLink&) = delete;
  IngestLink& operator=(const IngestLink&) = delete;

  void Start();
  // Sends, or drops the message when not attached: a Hello settles everything anew. A message that
  // was sent may still be lost with the stream.
  void Send(v1::ExecutorMessage message);
  // Dials no more, and ends the stream once everything sent so far was written, or after `limit`;
  // `closed` then runs.
  void Close(Duration limit, std::function<void()> closed);

  // When that was sent what ingest has answered last (Hello, a beat): it knew of this executor
  // then.
  MonoTime confirmed_at() const { return confirmed_at_; }

  // Welcomed by ingest. Any thread.
  bool attached() const { return attached_.load(std::memory_order_relaxed); }

 private:
  class Stream;

  std::string Explain(const grpc::Status& status) const;
  void Dial();
  void Leave(const std::string& why);
  void OnResponse(const v1::IngestMessage& message);
  void OnDone(const grpc::Status& status);
  void Beat();
  void OnBeatAck(std::uint64_t seq);

  const std::string address_;
  Inbox& inbox_;
  IngestLinkListener& listener_;
  const Logger logger_;
  CallGuard& guard_;
  const TlsCredentials* const tls_;  // null: plain text
  const std::unique_ptr<v1::Dispatcher::Stub> stub_;
  FullJitterBackoff backoff_;
  std::unique_ptr<Stream> stream_;
  std::atomic<bool> attached_{false};
  std::function<void()> closed_;
  bool closing_ = false;
  std::uint64_t beats_ = 0;
  std::map<std::uint64_t, MonoTime> unanswered_;  // beats of this stream, and when they were sent
  MonoTime dialled_at_;
  MonoTime confirmed_at_;
  std::string refused_;  // why this stream was
  Duration beat_interval_{};
  Duration lease_ttl_{};
  Inbox::TimerId retry_timer_ = Inbox::kNoTimer;
  Inbox::TimerId welcome_timer_ = Inbox::kNoTimer;
  Inbox::TimerId beat_timer_ = Inbox::kNoTimer;
  Inbox::TimerId close_timer_ = Inbox::kNoTimer;
  std::string last_error_;
};

}  // namespace runner::executor
