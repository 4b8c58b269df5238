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

// The requests of a ClusterConnection: what they carry, and to which calls of the event source
// their answers come. For the connection's own use; on its thread.

// One HTTP request and its handler. Where the connection has a token file, a refused token (401) is
// read again and the request repeated, once. An answer with an error status is handed on once the
// first part of its body is there, which says why; it is not waited for longer than a second.
class ClusterConnection::Exchange : public HttpHandler {
 public:
  explicit Exchange(ClusterConnection& connection) : connection_(connection) {}
  // One that has ended may outlive its connection: it is destroyed whenever the loop comes to it.
  ~Exchange() override { Cancel(); }

  // OnEnd comes later in any case, also when there is no token to send.
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
  void HandOnRefusal();

  HttpClient::RequestId request_ = 0;
  EventLoop::TimerId timer_ = EventLoop::kNoTimer;
  std::optional<HttpRequest> again_;  // to be repeated with another token
  std::string tried_;                 // "POST http://host/mcp"
  std::optional<HttpHead> refusal_;   // until it is handed on, with the body so far
  bool cancelled_ = false;
};

// A POST: its answer is one JSON text, or an event stream that ends with the reply. A server may
// end that stream sooner, after an event with an id: the rest comes when it is asked for by a GET
// with this id (MCP 2025-11-25, Transports, "Sending Messages to the Server"). How often that is
// done is bounded by the time limit that the session has for the request.
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
  void Tell(ReplyReader::Reply reply);
  // False when there is nothing to go on with.
  bool GoOn();

  const PostId post_;
  const HttpHeaders headers_;
  const bool lists_events_;
  std::optional<SseParser> parser_;
  std::optional<Duration> retry_;  // as the server asks
  bool is_stream_ = false;
  bool resumed_ = false;  // this is the GET on which the stream of the answer goes on
  bool oversize_ = false;
  ReplyReader reply_{kMaxReply};
  bool gave_way_ = false;  // it held more than others, and all of them too much
  BufferBudget::Account buffered_;
};

// The GET on which notifications come.
class ClusterConnection::StreamExchange final : public Exchange {
 public:
  // `carries_replies`: messages may hold lists of events (HTTP with SSE).
  StreamExchange(ClusterConnection& connection, bool carries_replies);

  void OnAnswer(const HttpHead& head) override;
  void OnBytes(std::string_view bytes) override;
  void OnEnd(const std::optional<ConnectionFailure>& failure) override;

 private:
  // False once the connection has let go of this stream, perhaps in the middle of a chunk.
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

// Destroying an object in the middle of its own method would pull the ground from under it: it is
// handed to the loop, which destroys it on its next turn.
template <typename T>
void DestroyLater(EventLoop& event_loop, std::unique_ptr<T> object) {
  if (object) event_loop.Post([shared = std::shared_ptr<T>(std::move(object))] {});
}

}  // namespace runner::ingest
