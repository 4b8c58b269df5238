#include "ingest/mcp/transport/connection_thread.h"

#include <iterator>
#include <random>
#include <utility>

namespace runner::ingest {
namespace {

ClusterConnection::Random01 NewRandom() {
  auto engine = std::make_shared<std::mt19937_64>(std::random_device{}());
  return [engine] { return std::uniform_real_distribution<>(0.0, 1.0)(*engine); };
}

}  // namespace

ConnectionThread::ConnectionThread(const Clock& clock, std::vector<ConnectionOptions> clusters,
                                   ConnectionListener& listener,
                                   ClusterConnection::NewProtocol new_protocol,
                                   std::function<bool()> paused)
    : event_loop_(clock),
      http_(event_loop_, std::move(paused)),
      listener_(listener),
      new_protocol_(std::move(new_protocol)),
      random_(NewRandom()) {
  for (ConnectionOptions& options : clusters) Add(std::move(options), {});
}

ConnectionThread::~ConnectionThread() {
  event_loop_.Stop();
  Join();
}

void ConnectionThread::Add(ConnectionOptions options, EventHistory history) {
  std::string cluster = options.cluster;
  connections_[std::move(cluster)] =
      std::make_unique<ClusterConnection>(std::move(options), event_loop_, http_, limiter_,
                                          listener_, new_protocol_, random_, std::move(history));
}

void ConnectionThread::Start() {
  event_loop_.Post([this] {
    for (const auto& [cluster, connection] : connections_) connection->Connect();
  });
  thread_ = std::thread([this] { event_loop_.Run(); });
}

void ConnectionThread::Change(std::vector<std::string> closed,
                              std::vector<ConnectionOptions> opened) {
  event_loop_.Post([this, closed = std::move(closed), opened = std::move(opened)]() mutable {
    if (closing_) return;
    for (const std::string& cluster : closed) Dismiss(cluster);
    for (ConnectionOptions& options : opened) {
      const std::string cluster = options.cluster;
      Add(std::move(options), Dismiss(cluster));
      connections_.at(cluster)->Connect();
    }
  });
}

EventHistory ConnectionThread::Dismiss(const std::string& cluster) {
  const auto found = connections_.find(cluster);
  if (found == connections_.end()) return {};
  leaving_.push_back(std::move(found->second));
  connections_.erase(found);
  const auto own = std::prev(leaving_.end());
  ++farewells_;
  // The connection is the caller: it is destroyed on a later turn of the loop.
  (*own)->Close([this, own] {
    event_loop_.Post([this, own] { leaving_.erase(own); });
    OnClosed();
  });
  return (*own)->TakeHistory();
}

void ConnectionThread::Close(Duration limit) {
  event_loop_.Post([this, limit] {
    event_loop_.After(limit, [this] { event_loop_.Stop(); });
    closing_ = true;
    farewells_ += connections_.size();
    if (farewells_ == 0) event_loop_.Stop();
    for (const auto& [cluster, connection] : connections_) {
      connection->Close([this] { OnClosed(); });
    }
  });
}

void ConnectionThread::OnClosed() {
  if (--farewells_ == 0 && closing_) event_loop_.Stop();
}

void ConnectionThread::Join() {
  if (thread_.joinable()) thread_.join();
}

void ConnectionThread::Resume() {
  event_loop_.Post([this] { http_.Resume(); });
}

}  // namespace runner::ingest
