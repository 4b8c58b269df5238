#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/loop/event_loop.h"
#include "ingest/mcp/transport/cluster_connection.h"
#include "ingest/mcp/transport/connect_limiter.h"
#include "ingest/mcp/transport/http_client.h"

namespace runner::ingest {

// The one thread that holds the connections to all MCP servers.
//
// Threads: Start, Change, Close, Resume and the destructor may be called from any one thread.
class ConnectionThread {
 public:
  // Sessions that connect at a time (ConnectLimiter).
  static constexpr std::size_t kMaxConnecting = 64;

  // `paused`: while true nothing is read from any server. Thread-safe, like the listener.
  ConnectionThread(const Clock& clock, std::vector<ConnectionOptions> clusters,
                   ConnectionListener& listener, ClusterConnection::NewProtocol new_protocol,
                   std::function<bool()> paused);
  ~ConnectionThread();

  void Start();
  // Closes the connections to the clusters of these names, and opens others. A connection that is
  // opened takes over the event history of the connection of its name: the time between them is a
  // gap like any other. Other connections are not affected. Does nothing after Close.
  void Change(std::vector<std::string> closed, std::vector<ConnectionOptions> opened);
  // Deletes every session and ends the thread when the servers have answered, at most `limit`
  // later. Returns at once; Join waits for the end.
  void Close(Duration limit);
  void Join();
  // Resumes reading after `paused`.
  void Resume();
  // The loop of the thread, for its liveness check. Any thread.
  EventLoop& event_loop() { return event_loop_; }

 private:
  using Connection = std::unique_ptr<ClusterConnection>;

  void Add(ConnectionOptions options, EventHistory history);
  // Closes the connection of this cluster and keeps it until its server has answered the DELETE.
  // Returns its event history; an empty one for a cluster without a connection.
  EventHistory Dismiss(const std::string& cluster);
  void OnClosed();

  EventLoop event_loop_;
  HttpClient http_;
  ConnectLimiter limiter_{kMaxConnecting};
  ConnectionListener& listener_;
  const ClusterConnection::NewProtocol new_protocol_;
  const ClusterConnection::Random01 random_;
  std::map<std::string, Connection> connections_;  // by cluster
  std::list<Connection> leaving_;                  // waiting for the answer to their DELETE
  std::size_t farewells_ = 0;                      // connections that are being closed
  bool closing_ = false;                           // all of them
  std::thread thread_;
};

}  // namespace runner::ingest
