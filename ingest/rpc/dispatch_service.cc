#include "ingest/rpc/dispatch_service.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <optional>
#include <utility>

#include "common/base/mutex.h"
#include "common/base/uuid.h"
#include "common/rpc/wire.h"
#include "common/rpc/wire_check.h"
#include "ingest/core/stream_budget.h"

namespace runner::ingest {
namespace {

// Limits of the messages queued for one executor. Credits bound its leases, and each keep-alive is
// acknowledged once, so only a peer that does not read reaches them.
constexpr std::size_t kMaxOutbound = 10'000;
constexpr std::size_t kMaxOutboundBytes = std::size_t{32} << 20;  // 128 offers of the largest size

constexpr Duration kHelloTimeout = std::chrono::seconds(10);
// A closed stream has this long to write its queued messages. Then its call is cancelled, since a
// write to a peer that does not read never completes.
constexpr Duration kCloseTimeout = std::chrono::seconds(5);
// Interval of the log line that counts the streams that exceeded the budget.
constexpr Duration kExhaustedLogInterval = std::chrono::seconds(10);

constexpr const char* kTooManyStreams = "too many executor streams; retry later";
constexpr const char* kTooManyBytes =
    "the messages of all executors exceed the memory limit; retry later";

}  // namespace

// A StreamBudget for all streams. Thread-safe.
class DispatchService::Budget {
 public:
  bool Open(StreamId stream) {
    const MutexLock lock(mutex_);
    return budget_.Open(stream);
  }
  void Close(StreamId stream) {
    const MutexLock lock(mutex_);
    budget_.Close(stream);
  }
  bool Take(StreamId stream, std::size_t bytes) {
    const MutexLock lock(mutex_);
    return budget_.Take(stream, bytes);
  }
  void Give(StreamId stream, std::size_t bytes) {
    const MutexLock lock(mutex_);
    budget_.Give(stream, bytes);
  }

 private:
  Mutex mutex_;
  StreamBudget budget_ GUARDED_BY(mutex_);
};

// The stream of one executor, shared by gRPC's threads and the loop thread; `mutex_` guards the
// shared state. The object lives until gRPC calls OnDone and the last shared_ptr is released.
class DispatchService::Stream final
    : public grpc::ServerBidiReactor<v1::ExecutorMessage, v1::IngestMessage>,
      public std::enable_shared_from_this<Stream> {
 public:
  Stream(DispatchService& service, grpc::CallbackServerContext& context, StreamId id)
      : service_(service),
        budget_(service.budget_),
        id_(id),
        peer_(context.peer()),
        context_(&context) {}

  StreamId id() const { return id_; }
  // Returns true for the first Hello of the stream. Loop thread.
  bool IsFirstHello() { return !std::exchange(hello_received_, true); }

  void Begin() {
    self_ = shared_from_this();
    session_.emplace(service_.sessions_, peer_);
    ReadNext();
  }
  // Called instead of Begin.
  void Reject(grpc::Status status) {
    self_ = shared_from_this();
    Close(std::move(status));
  }
  void ReadNext() {
    const MutexLock lock(mutex_);
    if (!finished_) StartRead(&request_);
  }
  void Write(v1::IngestMessage message) {
    const MutexLock lock(mutex_);
    if (finished_ || closing_) return;
    // One message always fits: any incident can be offered to a stream that has read everything.
    const std::size_t bytes = message.ByteSizeLong();
    if (!outbound_.empty() &&
        (outbound_.size() >= kMaxOutbound || outbound_bytes_ + bytes > kMaxOutboundBytes)) {
      ExhaustLocked("the executor does not read its messages");
      return;
    }
    // gRPC keeps the serialised bytes beside the message while it is written.
    const std::size_t held = bytes + message.SpaceUsedLong();
    if (!budget_->Take(id_, held)) {
      ExhaustLocked(kTooManyBytes);
      return;
    }
    outbound_bytes_ += bytes;
    outbound_.push_back({std::move(message), bytes, held});
    if (!std::exchange(writing_, true)) StartWrite(&outbound_.front().message);
  }
  // Closes after the queued messages are written.
  void Close(grpc::Status status) {
    const MutexLock lock(mutex_);
    CloseLocked(std::move(status));
  }
  // Ends the stream at once; queued messages are dropped.
  void Cancel(grpc::Status status) {
    const MutexLock lock(mutex_);
    if (!std::exchange(closing_, true)) status_ = std::move(status);
    // Fails the write in progress, which ends the stream.
    if (context_ != nullptr) context_->TryCancel();
    if (!writing_) FinishLocked();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      End();
      return;
    }
    const std::size_t held = request_.SpaceUsedLong();
    if (!budget_->Take(id_, held)) {
      request_.Clear();
      const MutexLock lock(mutex_);
      ExhaustLocked(kTooManyBytes);
      return;
    }
    service_.event_loop_.Post([this, self = shared_from_this(), held] {
      service_.OnRequest(self, request_);
      request_.Clear();  // an idle stream holds no message
      budget_->Give(id_, held);
      ReadNext();
    });
  }
  void OnWriteDone(bool ok) override {
    const MutexLock lock(mutex_);
    PopLocked(outbound_.begin());
    if (!ok) DropLocked();
    writing_ = !outbound_.empty();
    if (writing_) {
      StartWrite(&outbound_.front().message);
    } else if (closing_) {
      FinishLocked();
    }
  }
  void OnCancel() override { End(); }
  void OnDone() override {
    const std::shared_ptr<Stream> self = std::move(self_);  // destroyed at the end of this scope
    const MutexLock lock(mutex_);
    context_ = nullptr;  // gRPC destroys it when this returns
    outbound_.clear();
    budget_->Close(id_);
    session_.reset();
  }

 private:
  struct Outbound {
    v1::IngestMessage message;
    std::size_t bytes = 0;  // serialised
    std::size_t held = 0;   // taken from the budget
  };

  void End() {
    service_.event_loop_.Post([&service = service_, id = id_] { service.OnClosed(id); });
    Close(grpc::Status::OK);
  }
  void CloseLocked(grpc::Status status) REQUIRES(mutex_) {
    const bool first = !std::exchange(closing_, true);
    if (first) status_ = std::move(status);
    if (!writing_) FinishLocked();
    if (!first) return;
    service_.event_loop_.Post([&event_loop = service_.event_loop_, weak = weak_from_this()] {
      event_loop.After(kCloseTimeout, [weak] {
        if (const auto stream = weak.lock()) stream->Cancel(grpc::Status::CANCELLED);
      });
    });
  }
  // Ends the stream at once and drops its queued messages, except the one that is being written.
  void ExhaustLocked(const char* why) REQUIRES(mutex_) {
    if (closing_) return;
    while (outbound_.size() > (writing_ ? 1 : 0)) PopLocked(std::prev(outbound_.end()));
    service_.Exhausted(id_, peer_, why);
    CloseLocked({grpc::StatusCode::RESOURCE_EXHAUSTED, why});
  }
  void PopLocked(const std::deque<Outbound>::iterator& one) REQUIRES(mutex_) {
    outbound_bytes_ -= one->bytes;
    budget_->Give(id_, one->held);
    outbound_.erase(one);
  }
  void DropLocked() REQUIRES(mutex_) {
    while (!outbound_.empty()) PopLocked(outbound_.begin());
  }
  void FinishLocked() REQUIRES(mutex_) {
    if (!std::exchange(finished_, true)) Finish(status_);
  }

  DispatchService& service_;
  const std::shared_ptr<Budget> budget_;  // shared: the stream may outlive the service
  const StreamId id_;
  const std::string peer_;
  v1::ExecutorMessage request_;  // loop thread between OnReadDone and ReadNext
  std::shared_ptr<Stream> self_;
  std::optional<SessionPeers::Session> session_;  // from Begin to OnDone
  bool hello_received_ = false;                   // loop thread

  Mutex mutex_;
  grpc::CallbackServerContext* context_ GUARDED_BY(mutex_);  // null after OnDone
  std::deque<Outbound> outbound_ GUARDED_BY(mutex_);         // the first one is being written
  std::size_t outbound_bytes_ GUARDED_BY(mutex_) = 0;
  bool writing_ GUARDED_BY(mutex_) = false;
  bool closing_ GUARDED_BY(mutex_) = false;
  bool finished_ GUARDED_BY(mutex_) = false;
  grpc::Status status_ GUARDED_BY(mutex_);
};

DispatchService::DispatchService(EventLoop& event_loop, TokenAuth& token_auth, Logger logger)
    : event_loop_(event_loop),
      token_auth_(token_auth),
      logger_(std::move(logger)),
      budget_(std::make_shared<Budget>()),
      ingest_id_(UuidGenerator().Next(event_loop.Now().wall)) {}

DispatchService::~DispatchService() = default;

void DispatchService::CloseStreams() {
  for (const auto& [id, stream] : streams_) {
    stream->Close({grpc::StatusCode::UNAVAILABLE, "ingest is shutting down"});
  }
}

grpc::ServerBidiReactor<v1::ExecutorMessage, v1::IngestMessage>* DispatchService::Attach(
    grpc::CallbackServerContext* context) {
  const auto stream = std::make_shared<Stream>(*this, *context, ++last_stream_);
  if (grpc::Status refused = token_auth_.Check(*context); !refused.ok()) {
    stream->Reject(std::move(refused));
    return stream.get();
  }
  if (!budget_->Open(stream->id())) {
    Exhausted(stream->id(), context->peer(), kTooManyStreams);
    stream->Reject({grpc::StatusCode::RESOURCE_EXHAUSTED, kTooManyStreams});
    return stream.get();
  }
  stream->Begin();
  event_loop_.Post([this, weak = std::weak_ptr<Stream>(stream)] {
    event_loop_.After(kHelloTimeout, [this, weak] {
      const auto silent = weak.lock();
      if (silent == nullptr || streams_.contains(silent->id())) return;
      silent->Close({grpc::StatusCode::DEADLINE_EXCEEDED, "timed out waiting for Hello"});
    });
  });
  return stream.get();
}

// --- from executors, on the loop thread -------------------------------------------------------

void DispatchService::OnRequest(const std::shared_ptr<Stream>& stream,
                                const v1::ExecutorMessage& request) {
  const StreamId id = stream->id();
  if (const auto problem = WhyInvalid(request)) {
    // Its leases wait for a Hello, as after any end of a stream.
    stream->Close({grpc::StatusCode::INVALID_ARGUMENT, *problem});
    OnClosed(id);
    return;
  }
  // Only the first Hello attaches: a superseded or detached stream cannot attach again.
  if (request.has_hello()) {
    if (!stream->IsFirstHello()) return;
    streams_[id] = stream;
  }
  if (!streams_.contains(id)) {
    stream->Close({grpc::StatusCode::INVALID_ARGUMENT, "the first message must be Hello"});
    return;
  }
  if (const auto message = FromProto(request)) loop_->OnMessage(id, *message);
}

void DispatchService::OnClosed(StreamId stream) {
  if (streams_.erase(stream) == 0) return;
  loop_->OnStreamClosed(stream);
}

void DispatchService::Exhausted(StreamId stream, std::string peer, std::string why) {
  event_loop_.Post([this, stream, peer = std::move(peer), why = std::move(why)] {
    LogExhausted(peer, why);
    OnClosed(stream);
  });
}

void DispatchService::LogExhausted(const std::string& peer, const std::string& why) {
  ++exhausted_;
  const MonoTime now = event_loop_.Now().mono;
  if (last_log_ && now - *last_log_ < kExhaustedLogInterval) return;
  last_log_ = now;
  logger_.Warn("Executor streams closed at their limit",
               {{"streams", std::exchange(exhausted_, 0)}, {"peer", peer}, {"error", why}});
}

// --- to executors -----------------------------------------------------------------------------

void DispatchService::Send(StreamId stream, const dispatch::IngestMessage& message) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  v1::IngestMessage response = ToProto(message);
  if (response.has_welcome()) response.mutable_welcome()->set_ingest_id(ingest_id_);
  found->second->Write(std::move(response));
}

std::shared_ptr<DispatchService::Stream> DispatchService::Detach(StreamId stream) {
  const auto found = streams_.extract(stream);
  return found.empty() ? nullptr : found.mapped();
}

void DispatchService::CloseSuperseded(StreamId stream) {
  if (const auto old = Detach(stream)) old->Close({grpc::StatusCode::ABORTED, "superseded"});
}

void DispatchService::CancelSilent(StreamId stream) {
  if (const auto silent = Detach(stream)) {
    silent->Cancel({grpc::StatusCode::UNAVAILABLE, "timed out waiting for a keep-alive"});
  }
}

}  // namespace runner::ingest
