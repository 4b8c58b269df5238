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

// Serves runner.v1.Dispatcher: one reactor for each attached executor. Reactors only translate and
// post; the loop decides and answers through ExecutorStreams.
//
// A stream is read on only after the loop has handled the message before, so an executor that
// floods is slowed down by its own stream. All streams together are bounded (StreamBudget): the
// stream that exceeds the bound ends with RESOURCE_EXHAUSTED.
class DispatchService final : public v1::Dispatcher::CallbackService, public ExecutorStreams {
 public:
  // `guard` is asked about each executor that attaches.
  DispatchService(EventLoop& event_loop, TokenAuth& token_auth, Logger logger);
  ~DispatchService() override;

  // The executors whose streams are open.
  std::shared_ptr<const SessionPeers> sessions() const { return sessions_; }

  // To be called once, before the server starts.
  void Serve(IngestLoop& loop) { loop_ = &loop; }
  // Ends every stream after what is queued for it was written, or, where the executor does not
  // read, when the server is shut down. On the loop thread, or after it.
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
  // The stream has exceeded the budget, or was refused for it. Any thread.
  void Exhausted(StreamId stream, std::string peer, std::string why);
  void LogExhausted(const std::string& peer, const std::string& why);
  // The stream, which is not attached any more; null when it was not.
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
  std::optional<MonoTime> last_log_;  // of exhausted streams; loop thread
  std::uint64_t exhausted_ = 0;       // since last_log_; loop thread
};

}  // namespace runner::ingest
