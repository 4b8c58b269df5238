#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "common/inbox.h"
#include "ingest/mcp/cluster_connection.h"
#include "ingest/mcp/connect_gate.h"
#include "ingest/mcp/http_client.h"

namespace runner::ingest {

// The one thread that holds the connections to all MCP servers.
//
// Threads: Start, Close, Resume and the destructor may be called from any one thread.
class ConnectionThread {
 public:
  // Sessions that connect at a time.
  static constexpr std::size_t kMostConnecting = 64;

  // `paused`: while true nothing is read from any server. Thread-safe, like the listener.
  ConnectionThread(const Clock& clock, std::vector<ConnectionOptions> clusters,
                   ConnectionListener& listener, const ClusterConnection::NewSource& new_source,
                   std::function<bool()> paused);
  ~ConnectionThread();

  void Start();
  // Says good-bye to every server and ends the thread once that is done, at most `limit` later.
  // Returns at once; Join waits for it.
  void Close(Duration limit);
  void Join();
  // Reads on after `paused`.
  void Resume();

 private:
  Inbox inbox_;
  HttpClient http_;
  ConnectGate gate_{kMostConnecting};
  std::vector<std::unique_ptr<ClusterConnection>> connections_;
  std::size_t open_ = 0;
  std::thread thread_;
};

}  // namespace runner::ingest
