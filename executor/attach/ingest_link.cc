#include "executor/attach/ingest_link.h"

#include <deque>
#include <iterator>
#include <random>
#include <utility>

#include <grpcpp/create_channel.h>

#include "common/address.h"
#include "common/call_guard.h"
#include "common/mutex.h"
#include "common/tls_credentials.h"
#include "common/wire.h"
#include "common/wire_check.h"

namespace runner::executor {
namespace {

constexpr Duration kWelcomeTimeout = std::chrono::seconds(10);
constexpr std::size_t kMaxUnanswered = 20'000;  // keep-alives; a day of them
// Messages that may wait for ingest to read: more than results can wait, each of which is sent once
// a stream. All others are small, so this bounds the bytes as well.
constexpr std::size_t kMaxOutbound = 2 * kMaxLeasesListed;

double Random01() {
  thread_local std::mt19937_64 engine(std::random_device{}());
  return std::uniform_real_distribution<>(0.0, 1.0)(engine);
}

// Null when ingest is at a Unix socket, which is plain text always.
const TlsCredentials* UsedAt(const std::string& address, const TlsCredentials* tls) {
  const auto parsed = ParseAddress(address);
  return parsed && parsed->unix_path.empty() ? tls : nullptr;
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address, const TlsCredentials* tls) {
  grpc::ChannelArguments arguments;
  // Dead connections are found by pings; when to dial again is decided here, not by the channel.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  const auto credentials =
      tls ? tls->ForChannel(ParseAddress(address)->host) : grpc::InsecureChannelCredentials();
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

}  // namespace

// One attempt to attach. gRPC's threads and the loop thread meet under the mutex. A hold keeps the
// call open for writes from outside until reading has ended; after that nothing is started any
// more.
class IngestLink::Stream final
    : public grpc::ClientBidiReactor<v1::ExecutorMessage, v1::IngestMessage> {
 public:
  explicit Stream(IngestLink& link) : link_(link) {}
  // Waits for gRPC: the reactor must not go before OnDone.
  ~Stream() override {
    context_.TryCancel();
    if (EndUnlessReading()) RemoveHold();  // no read is under way whose end would do it
    const MutexLock lock(mutex_);
    while (!done_) done_changed_.Wait(mutex_);
  }

  void Begin(v1::ExecutorMessage hello) {
    link_.guard_.Show(context_);
    link_.stub_->async()->Attach(&context_, this);
    AddHold();
    StartRead(&response_);
    Write(std::move(hello));
    StartCall();
  }
  // False when too much waits already: ingest does not read.
  bool Write(v1::ExecutorMessage message) {
    const MutexLock lock(mutex_);
    if (ended_ || closing_) return true;
    if (outbound_.size() >= kMaxOutbound) return false;
    outbound_.push_back(std::move(message));
    if (!std::exchange(writing_, true)) StartWrite(&outbound_.front());
    return true;
  }
  void Close() {
    const MutexLock lock(mutex_);
    if (ended_ || std::exchange(closing_, true)) return;
    if (!writing_) StartWritesDone();
  }
  void Cancel() { context_.TryCancel(); }
  void ReadNext() {
    const MutexLock lock(mutex_);
    if (ended_) return;
    reading_ = true;
    StartRead(&response_);
  }

  void OnReadDone(bool ok) override {
    if (ok) {
      {
        const MutexLock lock(mutex_);
        reading_ = false;
      }
      link_.inbox_.Post([this, &link = link_] {
        // The link destroys its stream on the loop thread only, and a destroyed one has no say.
        if (link.stream_.get() != this) return;
        link.OnResponse(response_);
        if (link.stream_.get() == this) ReadNext();
      });
      return;
    }
    {
      const MutexLock lock(mutex_);
      ended_ = true;
    }
    RemoveHold();
  }
  void OnWriteDone(bool ok) override {
    const MutexLock lock(mutex_);
    outbound_.pop_front();
    if (!ok) outbound_.clear();
    writing_ = !outbound_.empty() && !ended_;
    if (writing_) {
      StartWrite(&outbound_.front());
    } else if (closing_ && ok && !ended_) {
      StartWritesDone();
    }
  }
  void OnDone(const grpc::Status& status) override {
    link_.inbox_.Post([&link = link_, this, status] {
      if (link.stream_.get() == this) link.OnDone(status);
    });
    // Notified under the lock: once it is released the object may be gone.
    const MutexLock lock(mutex_);
    done_ = true;
    done_changed_.NotifyAll();
  }

 private:
  bool EndUnlessReading() {
    const MutexLock lock(mutex_);
    return !reading_ && !std::exchange(ended_, true);
  }

  IngestLink& link_;
  grpc::ClientContext context_;
  v1::IngestMessage response_;  // between OnReadDone and ReadNext it belongs to the loop

  Mutex mutex_;
  Condition done_changed_;
  std::deque<v1::ExecutorMessage> outbound_ GUARDED_BY(mutex_);  // the front one is being written
  bool writing_ GUARDED_BY(mutex_) = false;
  bool closing_ GUARDED_BY(mutex_) = false;
  bool reading_ GUARDED_BY(mutex_) = true;
  bool ended_ GUARDED_BY(mutex_) = false;  // reading has ended: nothing may be started
  bool done_ GUARDED_BY(mutex_) = false;
};

IngestLink::IngestLink(const std::string& address, LinkSecurity security, Inbox& inbox,
                       IngestLinkListener& listener, Logger logger)
    : address_(address),
      inbox_(inbox),
      listener_(listener),
      logger_(std::move(logger)),
      guard_(security.guard),
      tls_(UsedAt(address, security.tls)),
      stub_(v1::Dispatcher::NewStub(MakeChannel(address, tls_))) {}

IngestLink::~IngestLink() {
  inbox_.Cancel(retry_timer_);
  inbox_.Cancel(welcome_timer_);
  inbox_.Cancel(beat_timer_);
  inbox_.Cancel(close_timer_);
}

void IngestLink::Start() { Dial(); }

void IngestLink::Send(v1::ExecutorMessage message) {
  if (!stream_ || !attached() || !refused_.empty()) return;
  if (!stream_->Write(std::move(message))) Leave("ingest does not read");
}

// The stream ends, and another is dialled.
void IngestLink::Leave(const std::string& why) {
  refused_ = "--ingest-address " + address_ + ": " + why;
  stream_->Cancel();
}

void IngestLink::Close(Duration limit, std::function<void()> closed) {
  closing_ = true;
  inbox_.Cancel(retry_timer_);
  if (!stream_) {
    closed();
    return;
  }
  closed_ = std::move(closed);
  if (attached()) {
    stream_->Close();
    close_timer_ = inbox_.After(limit, [this] {
      if (stream_) stream_->Cancel();
    });
  } else {
    stream_->Cancel();
  }
}

void IngestLink::Dial() {
  v1::ExecutorMessage hello;
  *hello.mutable_hello() = listener_.MakeHello();
  dialled_at_ = inbox_.Now().mono;
  stream_ = std::make_unique<Stream>(*this);
  stream_->Begin(std::move(hello));
  welcome_timer_ = inbox_.After(kWelcomeTimeout, [this] {
    if (stream_) stream_->Cancel();
  });
}

void IngestLink::OnResponse(const v1::IngestMessage& message) {
  if (!refused_.empty()) return;  // the stream is being cancelled
  if (const auto problem = WhyInvalid(message)) {
    Leave("ingest has sent " + *problem);
    return;
  }
  if (message.has_welcome() && !attached()) {
    inbox_.Cancel(welcome_timer_);
    if (const auto why = listener_.WhyNotAttach(message.welcome())) {
      refused_ = *why;
      stream_->Cancel();
      return;
    }
    backoff_.Reset();
    last_error_.clear();
    confirmed_at_ = dialled_at_;
    attached_.store(true, std::memory_order_relaxed);
    beat_interval_ = FromProto(message.welcome().beat_interval()).value_or(Duration::zero());
    lease_ttl_ = FromProto(message.welcome().lease_ttl()).value_or(Duration::zero());
    if (beat_interval_ > Duration::zero()) {
      beat_timer_ = inbox_.After(beat_interval_, [this] { Beat(); });
    }
    logger_.Info("Attached to ingest", {{"ingest_id", message.welcome().ingest_id()}});
  }
  if (message.has_beat_ack()) OnBeatAck(message.beat_ack().seq());
  if (attached()) listener_.OnMessage(message);
}

// An ingest that refuses our certificate, or the lack of one, hangs up without a word.
std::string IngestLink::Explain(const grpc::Status& status) const {
  std::string message = "--ingest-address " + address_ + ": " + status.error_message();
  const auto says = [&](const char* part) { return message.find(part) != std::string::npos; };
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED || says("http1.x") ||
      says("Failed parsing HTTP/2")) {
    return message + "; expected the gRPC address of runner-ingest (its --grpc-listen)";
  }
  if (says("DNS resolution failed")) return message + "; check the host name";
  if (says("Connection refused") || says("No such file")) {
    return message + "; check that runner-ingest runs and listens there (its --grpc-listen)";
  }
  if (!says("failed to connect")) return message;
  if (tls_ && says("wrong version number")) return message + "; perhaps ingest has no TLS";
  if (!says("Socket closed")) return message;
  if (!tls_) return message + "; perhaps ingest wants TLS (--grpc-tls-cert)";
  return message + "; perhaps ingest refuses our certificate, " + tls_->OwnCertificateText();
}

void IngestLink::OnDone(const grpc::Status& status) {
  inbox_.Cancel(welcome_timer_);
  inbox_.Cancel(beat_timer_);
  stream_.reset();
  unanswered_.clear();
  const std::string refused = std::exchange(refused_, "");
  const std::string why = refused.empty() ? Explain(status) : refused;
  const bool was_attached = attached_.exchange(false);
  const bool superseded = status.error_code() == grpc::StatusCode::ABORTED;
  closing_ = closing_ || superseded;
  const Duration delay = backoff_.Next(Random01());
  if (!closing_ && (was_attached || last_error_ != why)) {
    last_error_ = why;  // one line for each new cause
    logger_.Warn("Not attached to ingest, retrying", {{"error", why}, {"retry_in", delay}});
  }
  if (!closing_) retry_timer_ = inbox_.After(delay, [this] { Dial(); });
  if (was_attached) listener_.OnDetached(superseded);
  if (const auto closed = std::exchange(closed_, nullptr)) closed();
}

void IngestLink::Beat() {
  // A TCP connection may live while nobody answers: another stream is tried, and nothing grows.
  const bool silent = !unanswered_.empty() && lease_ttl_ > Duration::zero() &&
                      inbox_.Now().mono - unanswered_.begin()->second >= lease_ttl_;
  if (silent || unanswered_.size() >= kMaxUnanswered) {
    Leave("ingest has not answered a keep-alive in time");
    return;
  }
  v1::ExecutorMessage request;
  request.mutable_beat()->set_seq(++beats_);
  unanswered_[beats_] = inbox_.Now().mono;
  Send(std::move(request));
  beat_timer_ = inbox_.After(beat_interval_, [this] { Beat(); });
}

// An answer may have waited long to be read; what it proves is as old as its question.
void IngestLink::OnBeatAck(std::uint64_t seq) {
  const auto sent = unanswered_.find(seq);
  if (sent == unanswered_.end()) return;
  confirmed_at_ = sent->second;
  unanswered_.erase(unanswered_.begin(), std::next(sent));
}

}  // namespace runner::executor
