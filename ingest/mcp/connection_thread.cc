#include "ingest/mcp/connection_thread.h"

#include <random>
#include <utility>

namespace runner::ingest {

ConnectionThread::ConnectionThread(const Clock& clock, std::vector<ConnectionOptions> clusters,
                                   ConnectionListener& listener,
                                   const ClusterConnection::NewSource& new_source,
                                   std::function<bool()> paused)
    : inbox_(clock), http_(inbox_, std::move(paused)) {
  auto engine = std::make_shared<std::mt19937_64>(std::random_device{}());
  const auto random = [engine] { return std::uniform_real_distribution<>(0.0, 1.0)(*engine); };
  for (ConnectionOptions& options : clusters) {
    connections_.push_back(std::make_unique<ClusterConnection>(
        std::move(options), inbox_, http_, gate_, listener, new_source, random));
  }
}

ConnectionThread::~ConnectionThread() {
  inbox_.Stop();
  Join();
}

void ConnectionThread::Start() {
  inbox_.Post([this] {
    for (const auto& connection : connections_) connection->Connect();
  });
  thread_ = std::thread([this] { inbox_.Run(); });
}

void ConnectionThread::Close(Duration limit) {
  inbox_.Post([this, limit] {
    inbox_.After(limit, [this] { inbox_.Stop(); });
    open_ = connections_.size();
    for (const auto& connection : connections_) {
      connection->Close([this] {
        if (--open_ == 0) inbox_.Stop();
      });
    }
  });
}

void ConnectionThread::Join() {
  if (thread_.joinable()) thread_.join();
}

void ConnectionThread::Resume() {
  inbox_.Post([this] { http_.Resume(); });
}

}  // namespace runner::ingest
