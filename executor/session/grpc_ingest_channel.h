#pragma once

#include <memory>
#include <string>

#include "common/loop/event_loop.h"
#include "executor/core/ingest_channel.h"
#include "runner/v1/dispatch.grpc.pb.h"

namespace runner {
class TokenAuth;
class TlsCredentials;
}  // namespace runner

namespace runner::executor {

// How ingest and this executor authenticate each other.
struct ChannelSecurity {
  TokenAuth& token_auth;                // holds the shared token, if configured
  const TlsCredentials* tls = nullptr;  // null, or a Unix socket: plain text
};

// The Attach stream over gRPC. gRPC's threads only post to the loop. A message from ingest that
// breaks a bound of the protocol (common/rpc/wire_check.h) ends the stream.
class GrpcIngestChannel final : public IngestChannel {
 public:
  // `address` as gRPC expects it: host:port or unix:/path. All references must outlive this.
  GrpcIngestChannel(const std::string& address, ChannelSecurity security, EventLoop& event_loop);
  // Cancels the stream and waits until gRPC has released it.
  ~GrpcIngestChannel();
  GrpcIngestChannel(const GrpcIngestChannel&) = delete;
  GrpcIngestChannel& operator=(const GrpcIngestChannel&) = delete;

  void Open(dispatch::Hello hello, IngestChannelListener& listener) override;
  void Send(dispatch::ExecutorMessage message) override;
  void Close() override;
  void Cancel() override;

 private:
  class Stream;

  std::string Explain(const grpc::Status& status) const;
  void Refuse(const std::string& why);
  void OnResponse(const v1::IngestMessage& message);
  void OnDone(const grpc::Status& status);

  const std::string address_;
  EventLoop& event_loop_;
  TokenAuth& token_auth_;
  const TlsCredentials* const tls_;  // null: plain text
  const std::unique_ptr<v1::Dispatcher::Stub> stub_;
  IngestChannelListener* listener_ = nullptr;
  std::unique_ptr<Stream> stream_;
  std::string refused_;  // why this stream is being cancelled; empty: it is not
};

}  // namespace runner::executor
