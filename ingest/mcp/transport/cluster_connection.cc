#include "ingest/mcp/transport/cluster_connection.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <strings.h>

#include "ingest/mcp/protocol/failure_text.h"
#include "ingest/mcp/transport/connection_exchange.h"

namespace runner::ingest {
namespace {

// Bytes of one list of events, which is parsed as it arrives. A server that sends more is broken.
constexpr std::size_t kMaxListBytes = std::size_t{256} << 20;
constexpr int kAnswerTicks = 2;  // without an answer, until the place is yielded

bool Holds(const HttpHeaders& headers, const char* name) {
  return std::any_of(headers.begin(), headers.end(), [name](const auto& header) {
    return ::strcasecmp(header.first.c_str(), name) == 0;
  });
}

}  // namespace

ClusterConnection::ClusterConnection(ConnectionOptions options, EventLoop& event_loop,
                                     HttpClient& http, ConnectLimiter& limiter,
                                     ConnectionListener& listener, NewProtocol new_protocol,
                                     Random01 random, EventHistory history)
    : options_(std::move(options)),
      event_loop_(event_loop),
      http_(http),
      limiter_(limiter),
      listener_(listener),
      new_protocol_(std::move(new_protocol)),
      random_(std::move(random)),
      backoff_(options_.initial_delay, options_.max_delay),
      history_(std::move(history)) {
  if (!options_.token_file.empty()) token_.emplace(options_.token_file);
  secrets_.AddQuery(options_.endpoint);
  for (const auto& [name, value] : options_.headers) secrets_.AddHeader(value);
}

ClusterConnection::~ClusterConnection() {
  LeaveLimiter();
  event_loop_.Cancel(timer_);
  event_loop_.Cancel(retry_timer_);
}

void ClusterConnection::Connect() {
  listener_.OnOpened(options_.cluster);
  Begin(Attempt::kNewSession);
}

void ClusterConnection::Begin(Attempt attempt) {
  next_ = attempt;
  const auto standing =
      failed_ ? ConnectLimiter::Standing::kFailed : ConnectLimiter::Standing::kGood;
  if (limiter_.Enter(*this, standing)) Proceed();
}

void ClusterConnection::OnTurn() {
  retry_timer_ = event_loop_.After(Duration::zero(), [this] { Proceed(); });
}

void ClusterConnection::Proceed() {
  failed_ = true;  // until it is subscribed
  connecting_ = true;
  unanswered_ticks_ = 0;
  WatchForAnswer();
  if (next_ == Attempt::kResumption) return Perform(protocol_->Resume(event_loop_.Now()));
  DropPosts();  // of the earlier session
  cookies_ = std::make_shared<CookieJar>();
  protocol_ = new_protocol_(options_, history_);
  Perform(protocol_->Start(event_loop_.Now()));
}

void ClusterConnection::LeaveLimiter() {
  connecting_ = false;
  event_loop_.Cancel(std::exchange(answer_timer_, EventLoop::kNoTimer));
  limiter_.Leave(*this);
}

// Counts ticks instead of time: after a stall of this process, answers may have arrived that are
// not read yet. Ends when the place is yielded; an answer starts it again.
void ClusterConnection::WatchForAnswer() {
  answer_timer_ = event_loop_.After(ConnectLimiter::kAnswerTimeout / kAnswerTicks, [this] {
    answer_timer_ = EventLoop::kNoTimer;
    if (++unanswered_ticks_ < kAnswerTicks) return WatchForAnswer();
    const bool resolving = Resolving();
    limiter_.Yield(*this, resolving ? ConnectLimiter::WaitsFor::kNameServer
                                    : ConnectLimiter::WaitsFor::kServer);
    if (resolving) WatchForAnswer();
  });
}

void ClusterConnection::OnServerAnswered() {
  if (!connecting_) return;
  unanswered_ticks_ = 0;
  limiter_.Return(*this);
  if (answer_timer_ == EventLoop::kNoTimer) WatchForAnswer();
}

bool ClusterConnection::Resolving() const {
  return (stream_ && stream_->Resolving()) ||
         std::any_of(posts_.begin(), posts_.end(),
                     [](const auto& post) { return post.second->Resolving(); });
}

void ClusterConnection::Close(std::function<void()> closed) {
  event_loop_.Cancel(retry_timer_);
  LeaveLimiter();
  if (protocol_) Perform(protocol_->Close(event_loop_.Now()));
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
    DestroyLater(event_loop_, std::move(post));
  }
  posts_.clear();
}

HttpRequest ClusterConnection::Request(const std::string& method, const HttpHeaders& headers,
                                       bool stream) const {
  HttpRequest request;
  request.method = method;
  request.url = options_.endpoint;
  request.headers = headers;
  request.headers.insert(request.headers.end(), options_.headers.begin(), options_.headers.end());
  if (!Holds(options_.headers, "User-Agent")) {
    request.headers.emplace_back("User-Agent", "kubernetes-mcp-runner");
  }
  request.tls = options_.tls;
  request.cookies = cookies_;
  request.timeout = options_.request_timeout;
  request.stream = stream;
  return request;
}

void ClusterConnection::Perform(McpActions actions) {
  silence_advice_ = {};
  for (McpAction& action : actions) {
    std::visit([this](auto& one) { Do(one); }, action);
  }
  RearmTimer();
}

void ClusterConnection::Do(PostMessage& action) {
  HttpRequest request = Request("POST", action.headers, false);
  if (!action.url.empty()) request.url = std::move(action.url);
  request.headers.emplace_back("Content-Type", "application/json");
  request.headers.emplace_back("Accept", "application/json, text/event-stream");
  request.body = std::move(action.body);
  if (action.list_timeout) {
    request.timeout = *action.list_timeout;
    request.max_body = kMaxListBytes;
  }
  auto& exchange = posts_[action.post] = std::make_unique<PostExchange>(
      *this, action.post, std::move(action.headers), action.list_timeout.has_value());
  exchange->Start(std::move(request));
}

void ClusterConnection::Do(CancelPost& action) {
  const auto found = posts_.find(action.post);
  if (found == posts_.end()) return;
  // A server that is slow with a list has answered other requests.
  if (!found->second->lists_events()) silence_advice_ = found->second->AdviceWhileSilent();
  found->second->Cancel();
  DestroyLater(event_loop_, std::move(found->second));
  posts_.erase(found);
}

void ClusterConnection::Do(OpenStream& action) {
  HttpRequest request = Request("GET", action.headers, true);
  request.headers.emplace_back("Accept", "text/event-stream");
  stream_ = std::make_unique<StreamExchange>(*this, action.carries_replies);
  stream_->Start(std::move(request));
}

void ClusterConnection::Do(CloseStream&) {
  if (!stream_) return;
  stream_->Cancel();
  DestroyLater(event_loop_, std::move(stream_));
}

void ClusterConnection::Do(DeleteSession& action) {
  delete_request_ = std::make_unique<DeleteExchange>(*this);
  delete_request_->Start(Request("DELETE", action.headers, false));
}

void ClusterConnection::Do(DeliverEvent& action) {
  if (auto* invalid = std::get_if<InvalidEvent>(&action.event)) {
    invalid->detail = secrets_.Mask(std::move(invalid->detail));
  }
  listener_.OnEvent(options_.cluster, std::move(action.event), action.backfilled);
}

void ClusterConnection::Do(Subscribed& action) {
  backoff_.Reset();
  attempt_ = 0;
  subscribed_ = true;
  failed_ = false;
  LeaveLimiter();
  action.session_id = secrets_.Mask(std::move(action.session_id));
  listener_.OnSubscribed(options_.cluster, action);
}

void ClusterConnection::Do(ConnectionLost& action) {
  std::string& detail = action.failure.detail;
  const std::string url = ShownUrl(options_.endpoint);
  const std::string origin = url.substr(0, url.find('/', url.find("://") + 3));
  if (detail.find(origin) == std::string::npos) {
    detail.insert(0, url + ": ");
    const bool silent = action.failure.error == ErrorClass::kTimeout && !subscribed_;
    if (silent && !silence_advice_.empty()) detail.append("; ").append(silence_advice_);
  }
  detail = secrets_.Mask(std::move(detail));
  RetryAfterDelay(action);
}

void ClusterConnection::Do(McpWarning& action) {
  if (action.once && !warned_.insert(action.message).second) return;
  action.detail = secrets_.Mask(std::move(action.detail));
  listener_.OnWarning(options_.cluster, action);
}

void ClusterConnection::Do(EntriesDropped& action) {
  listener_.OnEntriesDropped(options_.cluster, action.count);
}

void ClusterConnection::RetryAfterDelay(const ConnectionLost& lost) {
  subscribed_ = false;
  LeaveLimiter();
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
  event_loop_.Cancel(retry_timer_);
  retry_timer_ = event_loop_.After(delay, [this, resumable = lost.resumable] {
    Begin(resumable ? Attempt::kResumption : Attempt::kNewSession);
  });
}

void ClusterConnection::RearmTimer() {
  const auto deadline = protocol_->NextDeadline();
  if (timer_ != EventLoop::kNoTimer && deadline == timer_at_) return;
  event_loop_.Cancel(std::exchange(timer_, EventLoop::kNoTimer));
  if (!deadline) return;
  timer_at_ = *deadline;
  timer_ = event_loop_.At(*deadline, [this] { OnDeadline(); });
}

// While the receiver of events is behind, nothing is read, and no event of a list is delivered.
void ClusterConnection::OnDeadline() {
  constexpr std::chrono::milliseconds kPause{10};
  if (http_.Paused()) {
    timer_ = event_loop_.After(kPause, [this] { OnDeadline(); });
    return;
  }
  timer_ = EventLoop::kNoTimer;
  Perform(protocol_->OnTimer(event_loop_.Now()));
}

}  // namespace runner::ingest
