#include "ingest/mcp/transport/http_client.h"

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <curl/curl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "ingest/mcp/protocol/failure_text.h"
#include "ingest/mcp/transport/cookie_jar.h"
#include "ingest/mcp/transport/http_failure.h"
#include "ingest/mcp/transport/http_head_parser.h"
#include "ingest/mcp/transport/http_options.h"

namespace runner::ingest {
namespace {

// Bytes that may wait for delivery before a transfer is paused. They are delivered in one piece,
// even if the receiver becomes full meanwhile: more would be thousands of events at once.
constexpr std::size_t kMaxUndelivered = std::size_t{256} << 10;
// Bytes of the head of an answer, interim ones included.
constexpr std::size_t kMaxHead = std::size_t{256} << 10;

struct CurlLibrary {
  CurlLibrary() {
    if (::curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
      throw std::runtime_error("curl_global_init failed");
    }
  }
  ~CurlLibrary() { ::curl_global_cleanup(); }
};

}  // namespace

struct HttpClient::Multi {
  explicit Multi(HttpClient& owner) : client(owner) {
    if (handle == nullptr) throw std::runtime_error("curl_multi_init failed");
    ::curl_multi_setopt(handle, CURLMOPT_SOCKETFUNCTION, &HttpClient::OnSocket);
    ::curl_multi_setopt(handle, CURLMOPT_SOCKETDATA, this);
    ::curl_multi_setopt(handle, CURLMOPT_TIMERFUNCTION, &HttpClient::OnTimer);
    ::curl_multi_setopt(handle, CURLMOPT_TIMERDATA, this);
  }
  ~Multi() {
    ::curl_multi_cleanup(handle);
    client.event_loop_.Cancel(timer);
  }
  Multi(const Multi&) = delete;
  Multi& operator=(const Multi&) = delete;

  HttpClient& client;
  CurlLibrary library;
  CURLM* handle = ::curl_multi_init();
  EventLoop::TimerId timer = EventLoop::kNoTimer;
};

struct HttpClient::Transfer {
  RequestId id = 0;
  HttpClient* client = nullptr;
  HttpHandler* handler = nullptr;
  HttpRequest request;
  CURL* easy = ::curl_easy_init();
  CurlList headers;
  char error_text[CURL_ERROR_SIZE] = {};
  int socket_error = 0;  // errno, if no socket could be opened
  bool resolved = false;
  EventLoop::TimerId head_timer = EventLoop::kNoTimer;

  // What the callbacks have recorded.
  HttpHeadParser head;
  std::size_t head_total = 0;
  bool head_reported = false;
  std::string body;
  std::size_t body_total = 0;
  bool too_large = false;
  bool paused = false;
  bool queued = false;  // in ready_
  bool done = false;
  std::optional<ConnectionFailure> failure;

  ~Transfer() {
    client->event_loop_.Cancel(head_timer);
    if (easy != nullptr) {
      ::curl_multi_remove_handle(multi().handle, easy);
      ::curl_easy_cleanup(easy);
    }
  }

  std::string Tried() const { return request.method + ' ' + ShownUrl(request.url); }
  Multi& multi() const { return request.stream ? *client->streams_ : *client->others_; }
  void Ready() {
    if (!std::exchange(queued, true)) client->ready_.push_back(id);
  }
  void End(std::optional<ConnectionFailure> why) {
    done = true;
    failure = std::move(why);
    Ready();
  }

  static curl_socket_t OnOpen(void* self, curlsocktype purpose, curl_sockaddr* address) noexcept;
  static std::size_t OnHeader(char* bytes, std::size_t, std::size_t size, void* self) noexcept;
  static std::size_t OnWrite(char* bytes, std::size_t, std::size_t size, void* self) noexcept;
};

// As libcurl would, but notes the errno.
curl_socket_t HttpClient::Transfer::OnOpen(void* self, curlsocktype,
                                           curl_sockaddr* address) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  const int fd = ::socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                          address->protocol);
  transfer.socket_error = fd < 0 ? errno : 0;
  transfer.resolved = true;
  if (fd < 0) return CURL_SOCKET_BAD;
  if (transfer.request.stream) WatchPeer(fd);
  return fd;
}

std::size_t HttpClient::Transfer::OnHeader(char* bytes, std::size_t, std::size_t size,
                                           void* self) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  transfer.head_total += size;
  if (transfer.head_total > kMaxHead) {
    transfer.too_large = true;
    return CURL_WRITEFUNC_ERROR;
  }
  transfer.head.Line({bytes, size}, transfer.client->event_loop_.Now().wall);
  if (transfer.head.complete()) transfer.Ready();
  return size;
}

std::size_t HttpClient::Transfer::OnWrite(char* bytes, std::size_t, std::size_t size,
                                          void* self) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  if (transfer.head.encoded()) return CURL_WRITEFUNC_ERROR;
  transfer.Ready();
  if (transfer.client->paused_() || transfer.body.size() > kMaxUndelivered) {
    transfer.paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  transfer.body_total += size;
  if (!transfer.request.stream && transfer.body_total > transfer.request.max_body) {
    transfer.too_large = true;
    return CURL_WRITEFUNC_ERROR;
  }
  transfer.body.append(bytes, size);
  return size;
}

HttpClient::HttpClient(EventLoop& event_loop, std::function<bool()> paused)
    : event_loop_(event_loop),
      paused_(std::move(paused)),
      streams_(std::make_unique<Multi>(*this)),
      others_(std::make_unique<Multi>(*this)) {}

HttpClient::~HttpClient() { transfers_.clear(); }

HttpClient::RequestId HttpClient::Start(HttpRequest request, HttpHandler& handler) {
  auto transfer = std::make_unique<Transfer>();
  transfer->id = ++last_id_;
  transfer->client = this;
  transfer->handler = &handler;
  transfer->request = std::move(request);
  if (transfer->easy == nullptr) throw std::runtime_error("curl_easy_init failed");
  Configure(*transfer);
  Transfer& started = *transfer;
  transfers_.emplace(started.id, std::move(transfer));
  if (started.request.stream) {
    started.head_timer = event_loop_.After(started.request.timeout, [this, id = started.id] {
      const auto found = transfers_.find(id);
      if (found == transfers_.end() || found->second->head.complete()) return;
      found->second->End(ConnectionFailure{ErrorClass::kTimeout,
                                           found->second->Tried() +
                                               ": the stream did not open in time; check "
                                               "the log of the server and the proxies before it",
                                           {},
                                           false});
      Deliver();
    });
  }
  ::curl_multi_add_handle(started.multi().handle, started.easy);
  return started.id;
}

void HttpClient::Configure(Transfer& transfer) {
  CURL* easy = transfer.easy;
  transfer.headers = SetRequest(easy, transfer.request);
  transfer.request.headers = {};  // libcurl's own list is enough
  SetOption(easy, CURLOPT_ERRORBUFFER, transfer.error_text);
  SetOption(easy, CURLOPT_OPENSOCKETFUNCTION, &Transfer::OnOpen);
  SetOption(easy, CURLOPT_OPENSOCKETDATA, &transfer);
  SetOption(easy, CURLOPT_HEADERFUNCTION, &Transfer::OnHeader);
  SetOption(easy, CURLOPT_HEADERDATA, &transfer);
  SetOption(easy, CURLOPT_WRITEFUNCTION, &Transfer::OnWrite);
  SetOption(easy, CURLOPT_WRITEDATA, &transfer);
  SetOption(easy, CURLOPT_PRIVATE, &transfer);
}

void HttpClient::Cancel(RequestId id) { transfers_.erase(id); }

bool HttpClient::Resolving(RequestId id) const {
  const auto found = transfers_.find(id);
  return found != transfers_.end() && !found->second->resolved;
}

std::string_view HttpClient::AdviceWhileSilent(RequestId id) const {
  const auto found = transfers_.find(id);
  if (found == transfers_.end()) return {};
  const Transfer& transfer = *found->second;
  if (!transfer.resolved) return "the host name is not resolved yet: check the DNS of this pod";
  curl_off_t connected = 0;  // libcurl counts the TLS handshake as part of it
  ::curl_easy_getinfo(transfer.easy, CURLINFO_CONNECT_TIME_T, &connected);
  if (connected > 0) {
    return "connected: check that this is the port of the MCP server, and its log";
  }
  return transfer.request.url.starts_with("https")
             ? "no connection, or no TLS handshake: check the host, the port, http or https, and "
               "what may drop packets (NetworkPolicy, firewall)"
             : "no connection: check the host and the port, and what may drop packets "
               "(NetworkPolicy, firewall)";
}

void HttpClient::Resume() {
  std::vector<RequestId> paused;
  for (const auto& [id, transfer] : transfers_) {
    if (transfer->paused) paused.push_back(id);
  }
  for (const RequestId id : paused) {
    const auto found = transfers_.find(id);
    if (found == transfers_.end()) continue;
    Continue(*found->second);
  }
  Deliver();
}

// May call OnWrite at once with the bytes that were held back. If OnWrite rejects them, libcurl
// reports it only here; without this the transfer would wait for its timeout.
void HttpClient::Continue(Transfer& transfer) {
  transfer.paused = false;
  const CURLcode code = ::curl_easy_pause(transfer.easy, CURLPAUSE_CONT);
  if (code != CURLE_OK && !transfer.done) transfer.End(FailureOfTransfer(transfer, code));
}

int HttpClient::OnSocket(void* easy, int fd, int what, void* self, void*) noexcept {
  auto& multi = *static_cast<Multi*>(self);
  HttpClient& client = multi.client;
  if (what == CURL_POLL_REMOVE) {
    client.event_loop_.Unwatch(fd);
    return 0;
  }
  std::uint32_t events = 0;
  if (what & CURL_POLL_IN) events |= EPOLLIN;
  if (what & CURL_POLL_OUT) events |= EPOLLOUT;
  try {
    client.event_loop_.Watch(fd, events, [&multi, fd](std::uint32_t happened) {
      int curl_events = 0;
      if (happened & EPOLLIN) curl_events |= CURL_CSELECT_IN;
      if (happened & EPOLLOUT) curl_events |= CURL_CSELECT_OUT;
      if (happened & (EPOLLERR | EPOLLHUP)) curl_events |= CURL_CSELECT_ERR;
      multi.client.Drive(multi, fd, curl_events);
    });
  } catch (const std::exception& error) {
    // This transfer fails; with -1 libcurl would end all of them, and every later one.
    Transfer* transfer = nullptr;
    ::curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    if (transfer != nullptr) {
      transfer->End(ConnectionFailure{ErrorClass::kNetwork,
                                      std::string("the socket cannot be watched: ") + error.what(),
                                      {},
                                      false});
    }
  }
  return 0;
}

int HttpClient::OnTimer(void*, long timeout_ms, void* self) noexcept {
  auto& multi = *static_cast<Multi*>(self);
  EventLoop& event_loop = multi.client.event_loop_;
  event_loop.Cancel(std::exchange(multi.timer, EventLoop::kNoTimer));
  if (timeout_ms < 0) return 0;
  multi.timer = event_loop.After(std::chrono::milliseconds(timeout_ms),
                                 [&multi] { multi.client.Drive(multi, CURL_SOCKET_TIMEOUT, 0); });
  return 0;
}

void HttpClient::Drive(Multi& multi, int fd, int curl_events) {
  int running = 0;
  ::curl_multi_socket_action(multi.handle, fd, curl_events, &running);
  CollectFinished(multi);
  Deliver();
}

void HttpClient::CollectFinished(Multi& multi) {
  int left = 0;
  while (const CURLMsg* message = ::curl_multi_info_read(multi.handle, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    Transfer* transfer = nullptr;
    ::curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    if (!transfer->done) transfer->End(FailureOfTransfer(*transfer, message->data.result));
  }
}

std::optional<ConnectionFailure> HttpClient::FailureOfTransfer(const Transfer& transfer, int code) {
  const std::string tried = transfer.Tried() + ": ";
  const auto protocol = [&tried](const std::string& what) {
    return ConnectionFailure{ErrorClass::kProtocol, tried + what, {}, false};
  };
  if (transfer.head.encoded())
    return protocol(
        "the answer is compressed; turn compression off for this path in the server or in the "
        "proxy before it");
  // libcurl reports a header line over its own limit as out of memory.
  const bool line_too_long =
      code == CURLE_OUT_OF_MEMORY && transfer.head_total > 0 && !transfer.head.complete();
  if (transfer.too_large || line_too_long)
    return protocol("the answer is over the limit of " +
                    std::to_string(transfer.request.max_body >> 20) +
                    " MiB; check that this is an MCP server");
  if (code == CURLE_OK) return std::nullopt;
  ConnectionFailure failure =
      FailureOf(static_cast<CURLcode>(code), transfer.error_text, transfer.socket_error);
  const bool no_socket = transfer.socket_error != 0 || failure.detail.starts_with("out of ");
  failure.detail.insert(0, tried);
  if (no_socket) return failure;
  long os_error = 0;
  ::curl_easy_getinfo(transfer.easy, CURLINFO_OS_ERRNO, &os_error);
  if (code == CURLE_COULDNT_CONNECT && os_error != 0) {
    failure.detail += " (" + std::generic_category().message(static_cast<int>(os_error)) + ")";
  }
  const std::string_view advice =
      AdviceFor(static_cast<CURLcode>(code), transfer.error_text, static_cast<int>(os_error));
  if (!advice.empty()) failure.detail.append("; ").append(advice);
  // A truncated stream is a network error; a truncated answer is a protocol error.
  if (code == CURLE_PARTIAL_FILE && !transfer.request.stream) {
    failure.error = ErrorClass::kProtocol;
  }
  return failure;
}

// Forwards to the handlers what was recorded. They may start and cancel requests meanwhile, so a
// transfer is looked up again after each call.
void HttpClient::Deliver() {
  if (std::exchange(delivering_, true)) return;
  for (std::size_t i = 0; i < ready_.size(); ++i) {
    const RequestId id = ready_[i];
    const auto alive = [&]() -> Transfer* {
      const auto found = transfers_.find(id);
      return found == transfers_.end() ? nullptr : found->second.get();
    };
    Transfer* transfer = alive();
    if (transfer == nullptr) continue;
    transfer->queued = false;
    HttpHandler& handler = *transfer->handler;
    if (transfer->head.complete() && !std::exchange(transfer->head_reported, true)) {
      if (transfer->request.cookies && transfer->head.sets_cookies()) {
        transfer->request.cookies->OnSet(transfer->easy);
      }
      handler.OnHead(transfer->head.head());
      transfer = alive();
      if (transfer == nullptr) continue;
    }
    if (!transfer->body.empty()) {
      const std::string bytes = std::exchange(transfer->body, {});
      handler.OnBody(bytes);
      transfer = alive();
      if (transfer == nullptr) continue;
    }
    if (transfer->done) {
      const auto failure = transfer->failure;
      transfers_.erase(id);
      handler.OnDone(failure);
    } else if (transfer->paused && !paused_()) {
      Continue(*transfer);
    }
  }
  ready_.clear();
  delivering_ = false;
}

}  // namespace runner::ingest
