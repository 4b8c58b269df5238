#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ingest/mcp/protocol/reply_reader.h"
#include "ingest/mcp/protocol/sse_parser.h"
#include "ingest/mcp/transport/cluster_connection.h"

namespace runner::ingest {

// Bytes of a message that answers a request, without the texts of a tool result.
constexpr std::size_t kMaxReply = std::size_t{16} << 20;

// The requests of a ClusterConnection, and the calls of McpProtocol that receive their answers. For
// the connection's own use; on its thread.

// One HTTP request and its handler. If the connection has a token file, a 401 makes it read the
// file again and repeat the request, once. An answer with an error status is forwarded together
// with the first part of its body, which gives the reason; that is waited for one second at most.
class ClusterConnection::Exchange : public HttpHandler {
 public:
  explicit Exchange(ClusterConnection& connection) : connection_(connection) {}
  // An exchange that has ended may outlive its connection: the loop destroys it (DestroyLater).
  ~Exchange() override { Cancel(); }

  // OnEnd follows in any case, also if there is no token to send.
  void Start(HttpRequest request);
  void StartAfter(Duration delay, HttpRequest request);
  void Cancel();
  // What an operator can look at when no answer comes.
  std::string_view AdviceWhileSilent() const {
    return connection_.http_.AdviceWhileSilent(request_);
  }
  // A name is being looked up.
  bool Resolving() const { return request_ != 0 && connection_.http_.Resolving(request_); }

  void OnHead(const HttpHead& head) final;
  void OnBody(std::string_view bytes) final;
  void OnDone(const std::optional<ConnectionFailure>& failure) final;

 protected:
  virtual void OnAnswer(const HttpHead& head) = 0;
  virtual void OnBytes(std::string_view bytes) = 0;
  virtual void OnEnd(const std::optional<ConnectionFailure>& failure) = 0;

  ClusterConnection& connection_;

 private:
  // Null: there is no token.
  void SendWith(const std::string* token, HttpRequest request);
  void Send(HttpRequest request);
  void ForwardRefusal();

  HttpClient::RequestId request_ = 0;
  EventLoop::TimerId timer_ = EventLoop::kNoTimer;
  std::optional<HttpRequest> repeat_;  // to be repeated with another token
  std::string tried_;                  // "POST http://host/mcp"
  std::optional<HttpHead> refusal_;    // until it is forwarded, with the body so far
  bool cancelled_ = false;
};

// A POST: its answer is one JSON text, or an event stream that ends with the reply. A server may
// end that stream early, after an event with an id: a GET with this id then returns the rest (MCP
// 2025-11-25, Transports, "Sending Messages to the Server"). The request timeout of the session
// bounds how often that is done.
class ClusterConnection::PostExchange final : public Exchange {
 public:
  PostExchange(ClusterConnection& connection, PostId post, HttpHeaders headers, bool lists_events);

  bool lists_events() const { return lists_events_; }

  void OnAnswer(const HttpHead& head) override;
  void OnBytes(std::string_view bytes) override;
  void OnEnd(const std::optional<ConnectionFailure>& failure) override;

 private:
  void ExpectStream();
  void GiveWay();
  void Forward(ReplyReader::Reply reply);
  // False: the stream is complete, or has no id to resume after.
  bool ResumeReply();

  const PostId post_;
  const HttpHeaders headers_;
  const bool lists_events_;
  std::optional<SseParser> parser_;
  std::optional<Duration> retry_;  // from the server
  bool is_stream_ = false;
  bool resumed_ = false;  // this is the GET that resumes the stream of the answer
  bool oversize_ = false;
  ReplyReader reply_{kMaxReply};
  bool gave_way_ = false;  // dropped because the shared buffer budget was exceeded
  BufferBudget::Account buffered_;
};

// The GET that carries notifications.
class ClusterConnection::StreamExchange final : public Exchange {
 public:
  // `carries_replies`: messages may hold lists of events (HTTP with SSE).
  StreamExchange(ClusterConnection& connection, bool carries_replies);

  void OnAnswer(const HttpHead& head) override;
  void OnBytes(std::string_view bytes) override;
  void OnEnd(const std::optional<ConnectionFailure>& failure) override;

 private:
  // False once the connection has replaced this stream, perhaps in the middle of a chunk.
  bool Current() const { return connection_.stream_.get() == this; }
  void OnSse(const SseEvent& event);

  std::optional<ReplyReader> reply_;
  SseParser parser_;
  bool is_stream_ = false;
  BufferBudget::Account buffered_;
};

class ClusterConnection::DeleteExchange final : public Exchange {
 public:
  using Exchange::Exchange;
  void OnAnswer(const HttpHead&) override {}
  void OnBytes(std::string_view) override {}
  void OnEnd(const std::optional<ConnectionFailure>& failure) override;
};

// The loop destroys the object on its next turn: one of its methods may be on the call stack.
template <typename T>
void DestroyLater(EventLoop& event_loop, std::unique_ptr<T> object) {
  if (object) event_loop.Post([shared = std::shared_ptr<T>(std::move(object))] {});
}

}  // namespace runner::ingest
