#include "ingest/mcp/cluster_connection.h"

#include <algorithm>
#include <utility>

namespace runner::ingest {
namespace {

// Of what a `retry` field asks for.
constexpr std::chrono::milliseconds kShortestRetry{100};
constexpr std::chrono::milliseconds kLongestRetry = std::chrono::hours(24);

std::chrono::milliseconds Bounded(std::chrono::milliseconds retry) {
  return std::clamp(retry, kShortestRetry, kLongestRetry);
}

// Destroying an object in the middle of its own method would pull the ground from under it: it is
// handed to the loop, which destroys it on its next turn.
template <typename T>
void DestroyLater(Inbox& inbox, std::unique_ptr<T> object) {
  if (object) inbox.Post([shared = std::shared_ptr<T>(std::move(object))] {});
}

}  // namespace

class ClusterConnection::Exchange : public HttpHandler {
 public:
  explicit Exchange(ClusterConnection& connection) : connection_(connection) {}
  // One that has ended may outlive its connection: it is destroyed whenever the loop comes to it.
  ~Exchange() override { Cancel(); }

  void Start(HttpRequest request) { request_ = connection_.http_.Start(std::move(request), *this); }
  void StartAfter(Duration delay, HttpRequest request) {
    timer_ = connection_.inbox_.After(delay, [this, request = std::move(request)] {
      timer_ = Inbox::kNoTimer;
      Start(request);
    });
  }
  void Cancel() {
    if (timer_ != Inbox::kNoTimer) {
      connection_.inbox_.Cancel(std::exchange(timer_, Inbox::kNoTimer));
    }
    if (request_ != 0) connection_.http_.Cancel(std::exchange(request_, 0));
  }
  void OnDone(const std::optional<ConnectionFailure>& failure) final {
    request_ = 0;
    OnEnd(failure);
  }

 protected:
  virtual void OnEnd(const std::optional<ConnectionFailure>& failure) = 0;

  ClusterConnection& connection_;

 private:
  HttpClient::RequestId request_ = 0;
  Inbox::TimerId timer_ = Inbox::kNoTimer;
};

// A POST: its answer is one JSON text, or an event stream that ends with the reply. A server may
// end that stream sooner, after an event with an id: the rest comes when it is asked for by a GET
// with this id (MCP 2025-11-25, Transports, "Sending Messages to the Server"). How often that is
// done is bounded by the time limit that the session has for the request.
class ClusterConnection::PostExchange final : public Exchange {
 public:
  PostExchange(ClusterConnection& connection, PostId post, HttpHeaders headers)
      : Exchange(connection), post_(post), headers_(std::move(headers)) {
    ExpectStream();
  }

  void OnHead(const HttpHead& head) override {
    is_stream_ = head.content_type == "text/event-stream";
    connection_.Perform(connection_.source_->OnPostHead(post_, head, connection_.inbox_.Now()));
  }
  void OnBody(std::string_view bytes) override {
    if (is_stream_) {
      parser_->Put(bytes);
    } else {
      body_.append(bytes);
    }
  }
  void OnEnd(const std::optional<ConnectionFailure>& failure) override {
    if (!failure && !body_.empty()) Tell(body_);
    ClusterConnection& connection = connection_;
    const PostId post = post_;
    const auto own = connection.posts_.find(post);
    if (own == connection.posts_.end()) return;
    if (!failure && GoOn()) return;
    DestroyLater(connection.inbox_, std::move(own->second));
    connection.posts_.erase(own);
    connection.Perform(connection.source_->OnPostDone(post, failure, connection.inbox_.Now()));
  }

 private:
  void ExpectStream() {
    parser_.emplace(SseParser::Handlers{
        .on_event = [this](const SseEvent& event) { Tell(event.data); },
        .on_retry = [this](std::chrono::milliseconds delay) { retry_ = Bounded(delay); },
        .on_oversize = [] {}});
  }
  void Tell(std::string_view text) {
    connection_.Perform(
        connection_.source_->OnMessage(text, MessageOrigin::kPost, connection_.inbox_.Now()));
  }
  // False when there is nothing to go on with.
  bool GoOn() {
    if (!is_stream_ || !connection_.source_->Awaits(post_)) return false;
    // A stream that ended without a new id will not go on after the old one.
    const std::string last_event_id = parser_->last_event_id();
    if (last_event_id.empty()) return false;
    HttpRequest request = connection_.Request("GET", headers_, true);
    request.headers.emplace_back("Accept", "text/event-stream");
    request.headers.emplace_back("Last-Event-ID", last_event_id);
    ExpectStream();
    const Duration own = std::max<Duration>(connection_.options_.initial_delay, kShortestRetry);
    StartAfter(retry_.value_or(own), std::move(request));
    return true;
  }

  const PostId post_;
  const HttpHeaders headers_;
  std::optional<SseParser> parser_;
  std::optional<Duration> retry_;  // as the server asks
  bool is_stream_ = false;
  std::string body_;
};

// The GET on which notifications come.
class ClusterConnection::StreamExchange final : public Exchange {
 public:
  explicit StreamExchange(ClusterConnection& connection)
      : Exchange(connection),
        parser_({.on_event = [this](const SseEvent& event) { OnSse(event); },
                 .on_retry =
                     [this](std::chrono::milliseconds delay) {
                       connection_.server_retry_ = Bounded(delay);
                     },
                 .on_oversize =
                     [this] {
                       if (Current()) {
                         connection_.Perform(connection_.source_->OnOversize());
                       }
                     }}) {}

  void OnHead(const HttpHead& head) override {
    is_stream_ = head.status == 200 && head.content_type == "text/event-stream";
    connection_.Perform(connection_.source_->OnStreamHead(head, connection_.inbox_.Now()));
  }
  void OnBody(std::string_view bytes) override {
    if (is_stream_) parser_.Put(bytes);
  }
  void OnEnd(const std::optional<ConnectionFailure>& failure) override {
    if (!Current()) return;
    ClusterConnection& connection = connection_;
    DestroyLater(connection.inbox_, std::move(connection.stream_));
    connection.Perform(connection.source_->OnStreamDone(failure, parser_.last_event_id(),
                                                        connection.inbox_.Now()));
  }

 private:
  // False once the connection has let go of this stream, perhaps in the middle of a chunk.
  bool Current() const { return connection_.stream_.get() == this; }
  void OnSse(const SseEvent& event) {
    if (!Current()) return;
    connection_.Perform(connection_.source_->OnMessage(event.data, MessageOrigin::kStream,
                                                       connection_.inbox_.Now()));
  }

  SseParser parser_;
  bool is_stream_ = false;
};

class ClusterConnection::DeleteExchange final : public Exchange {
 public:
  using Exchange::Exchange;
  void OnHead(const HttpHead&) override {}
  void OnBody(std::string_view) override {}
  void OnEnd(const std::optional<ConnectionFailure>&) override {
    DestroyLater(connection_.inbox_, std::move(connection_.delete_request_));
    if (const auto closed = std::exchange(connection_.closed_, nullptr)) closed();
  }
};

ClusterConnection::ClusterConnection(ConnectionOptions options, Inbox& inbox, HttpClient& http,
                                     ConnectionListener& listener, NewSource new_source,
                                     Random01 random)
    : options_(std::move(options)),
      inbox_(inbox),
      http_(http),
      listener_(listener),
      new_source_(std::move(new_source)),
      random_(std::move(random)),
      backoff_(options_.initial_delay, options_.max_delay) {}

ClusterConnection::~ClusterConnection() {
  inbox_.Cancel(timer_);
  inbox_.Cancel(retry_timer_);
}

void ClusterConnection::Connect() {
  DropPosts();  // what an earlier session still has under way
  source_ = new_source_(options_, history_);
  Perform(source_->Start(inbox_.Now()));
}

void ClusterConnection::Close(std::function<void()> closed) {
  inbox_.Cancel(retry_timer_);
  if (source_) Perform(source_->Close());
  DropPosts();
  if (std::exchange(subscribed_, false)) listener_.OnClosed(options_.cluster);
  if (delete_request_) {
    closed_ = std::move(closed);
  } else {
    closed();
  }
}

void ClusterConnection::DropPosts() {
  for (auto& [id, post] : posts_) {
    post->Cancel();
    DestroyLater(inbox_, std::move(post));
  }
  posts_.clear();
}

HttpRequest ClusterConnection::Request(const std::string& method, const HttpHeaders& headers,
                                       bool stream) const {
  HttpRequest request;
  request.method = method;
  request.url = options_.endpoint;
  request.headers = headers;
  request.headers.emplace_back("User-Agent", "kubernetes-mcp-runner");
  request.timeout = options_.request_timeout;
  request.stream = stream;
  return request;
}

void ClusterConnection::Perform(SourceActions actions) {
  for (SourceAction& action : actions) {
    std::visit([this](auto& one) { Do(one); }, action);
  }
  RearmTimer();
}

void ClusterConnection::Do(PostMessage& action) {
  HttpRequest request = Request("POST", action.headers, false);
  request.headers.emplace_back("Content-Type", "application/json");
  request.headers.emplace_back("Accept", "application/json, text/event-stream");
  request.body = std::move(action.body);
  auto& exchange = posts_[action.post] =
      std::make_unique<PostExchange>(*this, action.post, std::move(action.headers));
  exchange->Start(std::move(request));
}

void ClusterConnection::Do(CancelPost& action) {
  const auto found = posts_.find(action.post);
  if (found == posts_.end()) return;
  found->second->Cancel();
  DestroyLater(inbox_, std::move(found->second));
  posts_.erase(found);
}

void ClusterConnection::Do(OpenStream& action) {
  HttpRequest request = Request("GET", action.headers, true);
  request.headers.emplace_back("Accept", "text/event-stream");
  stream_ = std::make_unique<StreamExchange>(*this);
  stream_->Start(std::move(request));
}

void ClusterConnection::Do(CloseStream&) {
  if (!stream_) return;
  stream_->Cancel();
  DestroyLater(inbox_, std::move(stream_));
}

void ClusterConnection::Do(DeleteSession& action) {
  delete_request_ = std::make_unique<DeleteExchange>(*this);
  delete_request_->Start(Request("DELETE", action.headers, false));
}

void ClusterConnection::Do(DeliverEvent& action) {
  listener_.OnEvent(options_.cluster, std::move(action.event), action.backfilled);
}

void ClusterConnection::Do(Subscribed& action) {
  backoff_.Reset();
  attempt_ = 0;
  subscribed_ = true;
  listener_.OnSubscribed(options_.cluster, action);
}

void ClusterConnection::Do(ConnectionLost& action) { RetryAfterDelay(action); }

void ClusterConnection::Do(SourceWarning& action) { listener_.OnWarning(options_.cluster, action); }

void ClusterConnection::RetryAfterDelay(const ConnectionLost& lost) {
  subscribed_ = false;
  if (lost.failure.retry_after) {
    backoff_.OverrideNext(*lost.failure.retry_after);
  } else if (lost.failure.retry_slowly) {
    backoff_.OverrideNext(options_.max_delay);
  } else if (server_retry_) {
    backoff_.OverrideNext(*server_retry_);
  }
  server_retry_.reset();
  const Duration delay = backoff_.Next(random_());
  listener_.OnFailed(options_.cluster, lost.failure, delay, ++attempt_);
  retry_timer_ = inbox_.After(delay, [this, resumable = lost.resumable] {
    if (resumable) {
      Perform(source_->Resume(inbox_.Now()));
    } else {
      Connect();
    }
  });
}

void ClusterConnection::RearmTimer() {
  inbox_.Cancel(timer_);
  timer_ = Inbox::kNoTimer;
  if (const auto deadline = source_->NextDeadline()) {
    timer_ = inbox_.At(*deadline, [this] { Perform(source_->OnTimer(inbox_.Now())); });
  }
}

}  // namespace runner::ingest
