#pragma once

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/base/file_identity.h"
#include "common/loop/event_loop.h"

namespace runner {

// Reads a file, or several that belong together, again whenever one has changed, on a thread of its
// own: a large one may take long.
//
// It looks twice a second (stat(2), about a microsecond). Notifications of the kernel would save
// that, and cost the certainty: they name directory entries, so every directory and link on the
// way would have to be watched and watched anew after each swap, and network file systems have
// none. One stat(2) sees an edit in place, a rename over the file, and the swap of a link anywhere
// above it, as Kubernetes does it with mounted ConfigMaps.
//
// What has changed is read once it looks the same twice, and what was read counts only if the file
// is still the same afterwards: nobody acts on a file that is half written.
//
// Threads: constructed, destroyed and asked by one; `read` and what it returns run on its own.
class FileWatch {
 public:
  struct Reading {
    std::function<void()> act;  // what is to be done with it
    // False: it will not do as it is, perhaps because of something beside it, such as another file
    // that is still to come. It is read again from time to time, though it has not changed.
    bool is_good = true;
  };
  using Read = std::function<Reading()>;
  static constexpr Duration kInterval = std::chrono::milliseconds(500);
  static constexpr Duration kRetryInterval = std::chrono::seconds(30);

  // What the files were; nothing for one that was not there.
  using Identities = std::vector<std::optional<FileIdentity>>;

  // `known`: the file as it was read before.
  FileWatch(const Clock& clock, std::string path, std::optional<FileIdentity> known, Read read,
            Duration retry_interval = kRetryInterval);
  FileWatch(const Clock& clock, std::vector<std::string> paths, Identities known, Read read,
            Duration retry_interval = kRetryInterval);
  // Waits until a reading that has begun is over.
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  // Reads it soon, whether it has changed or not.
  void ReadNow();

 private:
  Identities Now() const;
  void Look();
  void ReadWhole();

  const std::vector<std::string> paths_;
  const Read read_;
  const Duration retry_interval_;
  Identities known_;                  // what was read
  Identities seen_;                   // at the latest look
  std::optional<MonoTime> retry_at_;  // what was read will not do
  EventLoop event_loop_;
  std::thread thread_;
};

}  // namespace runner
