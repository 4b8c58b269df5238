#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "common/loop/event_loop.h"
#include "common/observability/logger.h"
#include "common/rpc/session_peers.h"
#include "common/rpc/token_auth.h"
#include "ingest/loop/executor_streams.h"
#include "ingest/loop/ingest_loop.h"
#include "runner/v1/dispatch.grpc.pb.h"

namespace runner::ingest {

// Serves runner.v1.Dispatcher: one reactor for each attached executor. Reactors convert and post
// messages; the loop decides and responds through ExecutorStreams.
//
// The next message of a stream is read after the loop has handled the previous one, so an executor
// that floods is slowed by flow control. StreamBudget bounds the memory of all streams: a stream
// that exceeds it ends with RESOURCE_EXHAUSTED.
class DispatchService final : public v1::Dispatcher::CallbackService, public ExecutorStreams {
 public:
  // `event_loop` and `token_auth` must outlive the service. `token_auth` checks each Attach.
  DispatchService(EventLoop& event_loop, TokenAuth& token_auth, Logger logger);
  ~DispatchService() override;

  // Executors with an open stream.
  std::shared_ptr<const SessionPeers> sessions() const { return sessions_; }

  // Call once, before the server starts.
  void Serve(IngestLoop& loop) { loop_ = &loop; }
  // Closes every stream after its queued messages are written. If an executor does not read, its
  // stream ends when the server shuts down. Call on the loop thread, or after it has ended.
  void CloseStreams();

  grpc::ServerBidiReactor<v1::ExecutorMessage, v1::IngestMessage>* Attach(
      grpc::CallbackServerContext* context) override;

  void Send(StreamId stream, const dispatch::IngestMessage& message) override;
  void CloseSuperseded(StreamId stream) override;
  void CancelSilent(StreamId stream) override;

 private:
  class Budget;
  class Stream;

  void OnRequest(const std::shared_ptr<Stream>& stream, const v1::ExecutorMessage& request);
  void OnClosed(StreamId stream);
  // The stream exceeded the budget or was rejected because of it. Any thread.
  void Exhausted(StreamId stream, std::string peer, std::string why);
  void LogExhausted(const std::string& peer, const std::string& why);
  // Removes and returns the stream, or null if it is not attached.
  std::shared_ptr<Stream> Detach(StreamId stream);

  EventLoop& event_loop_;
  TokenAuth& token_auth_;
  const Logger logger_;
  const std::shared_ptr<Budget> budget_;
  const std::shared_ptr<SessionPeers> sessions_ = std::make_shared<SessionPeers>();
  const std::string ingest_id_;
  IngestLoop* loop_ = nullptr;
  std::atomic<StreamId> last_stream_{kNoStream};
  std::unordered_map<StreamId, std::shared_ptr<Stream>> streams_;  // attached; loop thread
  std::optional<MonoTime> last_log_;                               // LogExhausted; loop thread
  std::uint64_t exhausted_ = 0;  // streams since last_log_; loop thread
};

}  // namespace runner::ingest
