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
                   ConnectionListener& listener, ClusterConnection::NewSource new_source,
                   std::function<bool()> paused);
  ~ConnectionThread();

  void Start();
  // Closes the connections to the clusters of these names, and opens others. One that is opened
  // takes the place of the connection of its name, and goes on with what that remembers of the
  // cluster: the time between them is a gap like any other. All other connections go on untouched.
  // Does nothing once Close was called.
  void Change(std::vector<std::string> closed, std::vector<ConnectionOptions> opened);
  // Says good-bye to every server and ends the thread once that is done, at most `limit` later.
  // Returns at once; Join waits for it.
  void Close(Duration limit);
  void Join();
  // Reads on after `paused`.
  void Resume();
  // Of the thread, to ask whether it still serves it. Any thread.
  EventLoop& event_loop() { return event_loop_; }

 private:
  using Connection = std::unique_ptr<ClusterConnection>;

  void Add(ConnectionOptions options, EventHistory history);
  // Takes the connection of this name out, and keeps it until its server was told. What it
  // remembers; nothing of a cluster without a connection.
  EventHistory Dismiss(const std::string& cluster);
  void OnClosed();

  EventLoop event_loop_;
  HttpClient http_;
  ConnectLimiter gate_{kMaxConnecting};
  ConnectionListener& listener_;
  const ClusterConnection::NewSource new_source_;
  const ClusterConnection::Random01 random_;
  std::map<std::string, Connection> connections_;  // by cluster
  std::list<Connection> leaving_;                  // those that say good-bye
  std::size_t farewells_ = 0;                      // connections that are being closed
  bool closing_ = false;                           // all of them
  std::thread thread_;
};

}  // namespace runner::ingest
