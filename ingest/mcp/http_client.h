#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/inbox.h"
#include "ingest/mcp/event_source.h"

namespace runner::ingest {

struct HttpRequest {
  std::string method;  // GET, POST, DELETE
  std::string url;
  HttpHeaders headers;
  std::string body;
  // For the whole exchange; for a stream, until the head of the answer has come.
  Duration timeout = std::chrono::seconds(10);
  bool stream = false;                           // the body may be endless
  std::size_t max_body = std::size_t{16} << 20;  // bytes; not for streams
};

// Told what comes back, on the loop thread, never from inside a call to HttpClient.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  virtual void OnHead(const HttpHead& head) = 0;
  virtual void OnBody(std::string_view bytes) = 0;
  // The last call. No failure: the answer was complete.
  virtual void OnDone(const std::optional<ConnectionFailure>& failure) = 0;
};

// HTTP/1.1 for any number of connections on one loop thread, by libcurl's multi interface and its
// socket callbacks (CURLMOPT_SOCKETFUNCTION(3)). Redirects are not followed, compression is never
// asked for and not accepted, proxies of the environment are honoured.
//
// All calls on the inbox's thread, or before it runs. libcurl's callbacks only record; handlers run
// after libcurl has returned, so they may start and cancel requests.
class HttpClient {
 public:
  using RequestId = std::uint64_t;

  // `paused` is asked before bytes are read: while it is true, nothing is read from any connection
  // (TCP pushes back), until Resume. Throws std::runtime_error when libcurl cannot be set up.
  HttpClient(Inbox& inbox, std::function<bool()> paused);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // `handler` must outlive the request: until OnDone, or Cancel.
  RequestId Start(HttpRequest request, HttpHandler& handler);
  // The handler hears nothing more. Unknown ids are ignored.
  void Cancel(RequestId id);
  // Reads on where `paused` had stopped it.
  void Resume();

 private:
  struct Multi;
  struct Transfer;

  static int OnSocket(void* easy, int fd, int what, void* self, void* socket) noexcept;
  static int OnTimer(void* multi, long timeout_ms, void* self) noexcept;

  void Drive(int fd, int curl_events);
  void Deliver();
  void CollectFinished();
  void Configure(Transfer& transfer);

  Inbox& inbox_;
  const std::function<bool()> paused_;
  std::unique_ptr<Multi> multi_;
  std::unordered_map<RequestId, std::unique_ptr<Transfer>> transfers_;
  std::vector<RequestId> ready_;  // transfers with something to tell
  RequestId last_id_ = 0;
  Inbox::TimerId timer_ = Inbox::kNoTimer;
  bool delivering_ = false;
};

}  // namespace runner::ingest
