#include "executor/session/grpc_ingest_channel.h"

#include <deque>
#include <optional>
#include <utility>

#include <grpcpp/create_channel.h>

#include "common/base/address.h"
#include "common/base/mutex.h"
#include "common/rpc/tls_credentials.h"
#include "common/rpc/token_auth.h"
#include "common/rpc/wire.h"
#include "common/rpc/wire_check.h"

namespace runner::executor {
namespace {

// Bound on the messages that wait for ingest to read: more than all results, each of which is sent
// once on a stream. All other messages are small, so this bounds the bytes as well.
constexpr std::size_t kMaxOutbound = 2 * kMaxLeasesListed;

// Returns null for a Unix socket, which is always plain text.
const TlsCredentials* UsedAt(const std::string& address, const TlsCredentials* tls) {
  const auto parsed = ParseAddress(address);
  return parsed && parsed->unix_path.empty() ? tls : nullptr;
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address, const TlsCredentials* tls) {
  grpc::ChannelArguments arguments;
  // Pings detect dead connections. IngestSession decides when to reconnect, not the gRPC channel.
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

// One attempt to attach. The mutex synchronises gRPC's threads and the loop thread. A hold keeps
// the call open for writes from outside its callbacks until reading has ended; nothing is started
// after that.
class GrpcIngestChannel::Stream final
    : public grpc::ClientBidiReactor<v1::ExecutorMessage, v1::IngestMessage> {
 public:
  explicit Stream(GrpcIngestChannel& channel) : channel_(channel) {}
  // Waits for gRPC: the reactor must exist until OnDone.
  ~Stream() override {
    context_.TryCancel();
    if (EndUnlessReading()) RemoveHold();  // no read is pending whose end would remove the hold
    const MutexLock lock(mutex_);
    while (!done_) done_changed_.Wait(mutex_);
  }

  void Begin(v1::ExecutorMessage hello) {
    channel_.token_auth_.Show(context_);
    channel_.stub_->async()->Attach(&context_, this);
    AddHold();
    StartRead(&response_);
    Write(std::move(hello));
    StartCall();
  }
  // Returns false if too many messages wait: ingest does not read.
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
      channel_.event_loop_.Post([this, &channel = channel_] {
        // The channel destroys its stream only on the loop thread, so this comparison detects a
        // destroyed stream.
        if (channel.stream_.get() != this) return;
        channel.OnResponse(response_);
        if (channel.stream_.get() == this) ReadNext();
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
    channel_.event_loop_.Post([&channel = channel_, this, status] {
      if (channel.stream_.get() == this) channel.OnDone(status);
    });
    // Notified under the lock: the object may be destroyed once the lock is released.
    const MutexLock lock(mutex_);
    done_ = true;
    done_changed_.NotifyAll();
  }

 private:
  bool EndUnlessReading() {
    const MutexLock lock(mutex_);
    return !reading_ && !std::exchange(ended_, true);
  }

  GrpcIngestChannel& channel_;
  grpc::ClientContext context_;
  v1::IngestMessage response_;  // between OnReadDone and ReadNext it belongs to the loop thread

  Mutex mutex_;
  Condition done_changed_;
  // the first message is being written
  std::deque<v1::ExecutorMessage> outbound_ GUARDED_BY(mutex_);
  bool writing_ GUARDED_BY(mutex_) = false;
  bool closing_ GUARDED_BY(mutex_) = false;
  bool reading_ GUARDED_BY(mutex_) = true;
  bool ended_ GUARDED_BY(mutex_) = false;  // reading has ended: no operation may be started
  bool done_ GUARDED_BY(mutex_) = false;
};

GrpcIngestChannel::GrpcIngestChannel(const std::string& address, ChannelSecurity security,
                                     EventLoop& event_loop)
    : address_(address),
      event_loop_(event_loop),
      token_auth_(security.token_auth),
      tls_(UsedAt(address, security.tls)),
      stub_(v1::Dispatcher::NewStub(MakeChannel(address, tls_))) {}

GrpcIngestChannel::~GrpcIngestChannel() = default;

void GrpcIngestChannel::Open(dispatch::Hello hello, IngestChannelListener& listener) {
  listener_ = &listener;
  refused_.clear();
  stream_ = std::make_unique<Stream>(*this);
  stream_->Begin(ToProto(dispatch::ExecutorMessage(std::move(hello))));
}

void GrpcIngestChannel::Send(dispatch::ExecutorMessage message) {
  if (!stream_ || !refused_.empty()) return;
  if (!stream_->Write(ToProto(message))) Refuse("ingest does not read the stream");
}

void GrpcIngestChannel::Close() {
  if (stream_) stream_->Close();
}

void GrpcIngestChannel::Cancel() {
  if (stream_) stream_->Cancel();
}

// Cancels the stream for this reason.
void GrpcIngestChannel::Refuse(const std::string& why) {
  refused_ = "--ingest-address " + address_ + ": " + why;
  stream_->Cancel();
}

void GrpcIngestChannel::OnResponse(const v1::IngestMessage& message) {
  if (!refused_.empty()) return;  // the stream is already being cancelled
  if (const auto problem = WhyInvalid(message)) {
    return Refuse("invalid message from ingest: " + *problem);
  }
  if (const auto known = FromProto(message)) listener_->OnMessage(*known);
}

// An ingest that rejects our certificate, or the lack of one, closes the connection without a
// reason.
std::string GrpcIngestChannel::Explain(const grpc::Status& status) const {
  std::string message = "--ingest-address " + address_ + ": " + status.error_message();
  const auto contains = [&](const char* part) { return message.find(part) != std::string::npos; };
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED || contains("http1.x") ||
      contains("Failed parsing HTTP/2")) {
    return message + "; expected the gRPC address of runner-ingest (its --grpc-listen)";
  }
  if (contains("DNS resolution failed")) return message + "; check the host name";
  if (contains("Connection refused") || contains("No such file")) {
    return message + "; check that runner-ingest runs and listens there (its --grpc-listen)";
  }
  if (!contains("failed to connect")) return message;
  if (tls_ && contains("wrong version number"))
    return message + "; check whether ingest uses TLS (--grpc-tls-cert)";
  if (!contains("Socket closed")) return message;
  if (!tls_) return message + "; check whether ingest requires TLS (--grpc-tls-cert)";
  return message + "; check whether ingest rejects the own certificate, " +
         tls_->OwnCertificateText();
}

void GrpcIngestChannel::OnDone(const grpc::Status& status) {
  stream_.reset();
  const std::string why = refused_.empty() ? Explain(status) : refused_;
  listener_->OnEnded(status.error_code() == grpc::StatusCode::ABORTED, why);
}

}  // namespace runner::executor
