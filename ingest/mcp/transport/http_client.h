#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/loop/event_loop.h"
#include "ingest/mcp/protocol/buffer_budget.h"
#include "ingest/mcp/transport/http_request.h"

namespace runner::ingest {

// HTTP/1.1 for any number of connections on one loop thread, by libcurl's multi interface and its
// socket callbacks (CURLMOPT_SOCKETFUNCTION(3)). Redirects are not followed, compression is never
// asked for and not accepted, proxies of the environment are honoured (proxy_environment.h). The
// connection of a request that is no stream ends with it. Out of descriptors is a failure of class
// network like any other.
//
// All calls on the thread of the event loop, or before it runs. libcurl's callbacks only record;
// handlers run after libcurl has returned, so they may start and cancel requests.
class HttpClient {
 public:
  using RequestId = std::uint64_t;

  // `paused` is called before bytes are read: while it is true, nothing is read from any connection
  // (TCP pushes back), until Resume. Throws std::runtime_error when libcurl cannot be set up.
  HttpClient(EventLoop& event_loop, std::function<bool()> paused);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // `handler` must outlive the request: until OnDone, or Cancel.
  RequestId Start(HttpRequest request, HttpHandler& handler);
  // The handler is not called any more. Unknown ids are ignored.
  void Cancel(RequestId id);
  bool Paused() const { return paused_(); }
  // The budget of the incomplete answers that all handlers keep.
  const std::shared_ptr<BufferBudget>& budget() const { return budget_; }
  // Resumes reading after `paused`.
  void Resume();
  // A name is being looked up, which holds a thread of libcurl.
  bool Resolving(RequestId id) const;
  // Advice for an operator while no answer arrives, by the progress of the request; empty for
  // unknown ids.
  std::string_view AdviceWhileSilent(RequestId id) const;

 private:
  struct Multi;
  struct Transfer;

  static int OnSocket(void* easy, int fd, int what, void* multi, void* socket) noexcept;
  static int OnTimer(void* handle, long timeout_ms, void* multi) noexcept;

  void Drive(Multi& multi, int fd, int curl_events);
  void Continue(Transfer& transfer);
  void Deliver();
  void CollectFinished(Multi& multi);
  // `code`: a CURLcode. Nothing: the answer is complete.
  static std::optional<ConnectionFailure> FailureOfTransfer(const Transfer& transfer, int code);
  void Configure(Transfer& transfer);

  EventLoop& event_loop_;
  const std::function<bool()> paused_;
  const std::shared_ptr<BufferBudget> budget_ = std::make_shared<BufferBudget>();
  // To close a connection, libcurl searches all connections to its host: short-lived connections
  // must not be searched for among all streams.
  std::unique_ptr<Multi> streams_;
  std::unique_ptr<Multi> others_;
  std::unordered_map<RequestId, std::unique_ptr<Transfer>> transfers_;
  std::vector<RequestId> ready_;  // transfers with something to deliver
  RequestId last_id_ = 0;
  bool delivering_ = false;
};

}  // namespace runner::ingest
