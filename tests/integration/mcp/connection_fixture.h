#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "common/loop/event_loop.h"
#include "ingest/mcp/protocol/mcp_session.h"
#include "ingest/mcp/transport/cluster_connection.h"
#include "ingest/mcp/transport/http_client.h"
#include "tools/faultsim/http_server.h"
#include "tools/faultsim/listener.h"
#include "tools/faultsim/mcp_server.h"
#include "tools/faultsim/script_matcher.h"
#include "tools/faultsim/script_parser.h"

namespace runner::ingest {

// A simulated MCP server on a loopback port, which may also refuse everything, or misbehave as a
// script says.
class LoopbackServer final : public faultsim::HttpHandler {
 public:
  LoopbackServer(EventLoop& event_loop, const Clock& clock, const std::string& address)
      : LoopbackServer(event_loop, clock, faultsim::ListenOn(address)) {}

  std::string address() const { return address_; }
  std::size_t Publish() {
    FaultEvent fault;
    fault.fault_type = "CrashLoop";
    fault.resource = {"v1", "Pod", "pod-" + std::to_string(++published_), "default", "uid"};
    return mcp_.Publish(fault);
  }
  void EndStreams() {
    for (const faultsim::ConnectionId stream : streams_) http_.EndStream(stream);
  }
  void RefuseWith(int status) { refuse_with_ = status; }
  // From now on 401 is the answer without this bearer token.
  void RequireToken(const std::string& token) { required_ = "Bearer " + token; }
  // Clusters whose initialize was not answered yet: the most at a time.
  std::size_t max_connecting() const { return max_connecting_; }
  void Follow(faultsim::Script script) { matcher_ = faultsim::ScriptMatcher(std::move(script)); }
  int Requests(const std::string& method) const {
    return static_cast<int>(
        std::count_if(requests_.begin(), requests_.end(),
                      [&](const faultsim::HttpRequest& one) { return one.method == method; }));
  }
  // All requests, in order.
  const std::vector<faultsim::HttpRequest>& requests() const { return requests_; }
  // When each of them came.
  const std::vector<MonoTime>& arrivals() const { return arrivals_; }

  std::shared_ptr<const faultsim::Steps> StepsFor(const faultsim::HttpRequest& request) override {
    requests_.push_back(request);
    arrivals_.push_back(clock_.Now().mono);
    if (IsInitialize(request)) {
      connecting_.insert(request.path);
      max_connecting_ = std::max(max_connecting_, connecting_.size());
    }
    return matcher_.Match(request);
  }
  faultsim::HttpResponse Answer(faultsim::ConnectionId connection,
                                const faultsim::HttpRequest& request) override {
    if (IsInitialize(request)) connecting_.erase(request.path);
    const bool refused = !required_.empty() && request.Header("authorization") != required_;
    if (refuse_with_ != 0 || refused) {
      faultsim::HttpResponse refusal;
      refusal.status = refuse_with_ != 0 ? refuse_with_ : 401;
      return refusal;
    }
    if (request.method == "GET") streams_.push_back(connection);
    return mcp_.Answer(connection, request);
  }
  void OnStreamClosed(faultsim::ConnectionId connection) override {
    mcp_.OnStreamClosed(connection);
  }

 private:
  static bool IsInitialize(const faultsim::HttpRequest& request) {
    return request.body.find("\"method\":\"initialize\"") != std::string::npos;
  }
  LoopbackServer(EventLoop& event_loop, const Clock& clock, UniqueFd listener)
      : clock_(clock),
        address_(faultsim::BoundAddress(listener.Get())),
        http_(event_loop, std::move(listener)),
        mcp_(http_, clock, "simulated") {
    http_.Serve(*this);
  }

  const Clock& clock_;
  const std::string address_;
  faultsim::HttpServer http_;
  faultsim::McpServer mcp_;
  std::vector<faultsim::ConnectionId> streams_;
  faultsim::ScriptMatcher matcher_;
  std::vector<faultsim::HttpRequest> requests_;
  std::vector<MonoTime> arrivals_;
  int refuse_with_ = 0;
  std::string required_;
  std::set<std::string> connecting_;
  std::size_t max_connecting_ = 0;
  int published_ = 0;
};

// Whose turn it is to run: of two threads only ever one does.
class Turn {
 public:
  enum Owner { kTest, kLoop };

  void Pass(Owner owner) {
    const std::lock_guard lock(mutex_);
    owner_ = owner;
    changed_.notify_all();
  }
  void Await(Owner owner) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return owner_ == owner; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  Owner owner_ = kTest;
};

// Between two attempts, of tests that wait for several.
inline constexpr Duration kLongestDelay = std::chrono::milliseconds(300);

// Server and client on one loop. The loop and the test take turns: the loop stands still, between
// two of its tasks, while the test looks and acts.
class ConnectionTest : public ::testing::Test, public ConnectionListener {
 protected:
  void StartServer(const std::string& address = "127.0.0.1:0") {
    server_ = std::make_unique<LoopbackServer>(event_loop_, clock_, address);
    endpoint_ = "http://" + server_->address() + "/mcp";
  }
  // A server that misbehaves: the rules of a script, or the name of a sample script.
  void StartServerWithRules(const std::string& rules) {
    StartServer();
    server_->Follow(faultsim::ParseScript("{\"rules\": [" + rules + "]}"));
  }
  void StartServerWithScript(const std::string& name) {
    StartServer();
    server_->Follow(faultsim::LoadScript(std::string(RUNNER_FAULTSIM_SCRIPTS) + "/" + name));
  }
  static ConnectionOptions QuickOptions() {
    ConnectionOptions options;
    options.initial_delay = std::chrono::milliseconds(5);
    options.max_delay = std::chrono::milliseconds(40);
    return options;
  }
  void Connect(ConnectionOptions options = QuickOptions()) {
    McpSessionOptions session;
    session.client_version = "test";
    session.mode = McpMode::kFaults;
    session.transport = Transport::kStreamableHttp;
    session.backfill = false;
    session.request_timeout = options.request_timeout;
    session.ping_interval = ping_interval_;
    ConnectWith(std::move(options), [session](const ConnectionOptions&, EventHistory& history) {
      return std::make_unique<McpSession>(session, history);
    });
  }
  void ConnectWith(ConnectionOptions options, ClusterConnection::NewProtocol new_protocol) {
    options.cluster = "east";
    options.endpoint = endpoint_;
    connection_ =
        std::make_unique<ClusterConnection>(options, event_loop_, http_, limiter_, *this,
                                            std::move(new_protocol), [this] { return random_(); });
    connection_->Connect();
  }
  // Closes the connection and waits until the server has answered.
  void Close() {
    bool closed = false;
    connection_->Close([&] {
      closed = true;
      Changed();
    });
    RunUntil([&] { return closed; });
  }
  // Lets the loop run until `done` holds; throws when that takes too long.
  void RunUntil(std::function<bool()> done) {
    done_ = std::move(done);
    timed_out_ = false;
    const EventLoop::TimerId watchdog = event_loop_.After(std::chrono::seconds(20), [this] {
      timed_out_ = true;
      Yield();
    });
    Changed();
    turn_.Pass(Turn::kLoop);
    if (!thread_.joinable()) thread_ = std::thread([this] { event_loop_.Run(); });
    turn_.Await(Turn::kTest);
    event_loop_.Cancel(watchdog);
    if (timed_out_) throw std::runtime_error("what the test waits for does not happen");
  }
  void Changed() {
    event_loop_.Post([this] {
      if (done_ && done_()) Yield();
    });
  }
  void TearDown() override {
    event_loop_.Stop();
    turn_.Pass(Turn::kLoop);
    if (thread_.joinable()) thread_.join();
    connection_.reset();
    server_.reset();
  }

  void OnOpened(const std::string&) override {}
  void OnEvent(const std::string& cluster, DecodedEvent event, bool) override {
    EXPECT_EQ(cluster, "east");
    if (const auto* fault = std::get_if<FaultEvent>(&event)) {
      names_.push_back(fault->resource.name);
    } else {
      invalid_.push_back(std::get<InvalidEvent>(event).reason);
    }
    Changed();
  }
  void OnSubscribed(const std::string&, const Subscribed& subscription) override {
    sessions_.push_back(subscription.session_id);
    Changed();
  }
  void OnFailed(const std::string&, const ConnectionFailure& failure, Duration retry_in,
                int attempt) override {
    failures_.push_back(failure);
    failed_at_.push_back(clock_.Now().mono);
    delays_.push_back(retry_in);
    attempts_.push_back(attempt);
    Changed();
  }
  void OnClosed(const std::string&) override { ++closed_; }
  void OnWarning(const std::string&, const McpWarning&) override {}
  void OnEntriesDropped(const std::string&, std::size_t) override {}

 private:
  // On the loop thread: lets the test go on, and waits until it is done.
  void Yield() {
    done_ = nullptr;
    turn_.Pass(Turn::kTest);
    turn_.Await(Turn::kLoop);
  }

  std::function<bool()> done_;
  bool timed_out_ = false;
  Turn turn_;
  std::thread thread_;

 protected:
  SystemClock clock_;
  EventLoop event_loop_{clock_};
  bool paused_ = false;
  HttpClient http_{event_loop_, [this] { return paused_; }};
  ConnectLimiter limiter_{1};
  std::unique_ptr<LoopbackServer> server_;
  std::unique_ptr<ClusterConnection> connection_;
  std::string endpoint_;
  Duration ping_interval_ = std::chrono::seconds(30);  // of silence, then a check
  ClusterConnection::Random01 random_ = [] { return 0.5; };

  std::vector<std::string> names_;     // of the objects of the faults that came
  std::vector<std::string> invalid_;   // why events were rejected
  std::vector<std::string> sessions_;  // one for each subscription
  std::vector<ConnectionFailure> failures_;
  std::vector<MonoTime> failed_at_;
  std::vector<Duration> delays_;
  std::vector<int> attempts_;
  int closed_ = 0;
};

}  // namespace runner::ingest
