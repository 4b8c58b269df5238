#pragma once

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/base/file_identity.h"
#include "common/loop/event_loop.h"

namespace runner {

// Reads a file, or several that belong together, again whenever one changes. Uses its own thread,
// since reading a large file takes long.
//
// It polls twice a second (stat(2), about a microsecond). inotify(7) is not used: it reports
// directory entries, so every directory and link of the path would need a watch, renewed after each
// swap, and network file systems do not support it. stat(2) detects an edit in place, a rename over
// the file, and the swap of any link of the path, as Kubernetes does for mounted ConfigMaps.
//
// A changed file is read when two polls in a row see the same state, and the content is used only
// if the file is unchanged afterwards: half-written files are never used.
//
// Threads: one thread constructs, calls and destroys it; `read` and the action it returns run on
// the own thread.
class FileWatch {
 public:
  struct Reading {
    std::function<void()> act;  // what to do with the content
    // False: the content cannot be used now, perhaps because another file is still missing. The
    // file is then read again periodically even if it does not change.
    bool is_good = true;
  };
  using Read = std::function<Reading()>;
  static constexpr Duration kInterval = std::chrono::milliseconds(500);
  static constexpr Duration kRetryInterval = std::chrono::seconds(30);

  // The states of the files; nothing for a missing file.
  using Identities = std::vector<std::optional<FileIdentity>>;

  // `known`: the state of the file when it was read last.
  FileWatch(const Clock& clock, std::string path, std::optional<FileIdentity> known, Read read,
            Duration retry_interval = kRetryInterval);
  FileWatch(const Clock& clock, std::vector<std::string> paths, Identities known, Read read,
            Duration retry_interval = kRetryInterval);
  // Waits until a read in progress is finished.
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  // Reads the file soon, changed or not.
  void ReadNow();

 private:
  Identities Now() const;
  void Look();
  void ReadWhole();

  const std::vector<std::string> paths_;
  const Read read_;
  const Duration retry_interval_;
  Identities known_;                  // when read
  Identities seen_;                   // at the last poll
  std::optional<MonoTime> retry_at_;  // when to read a file again whose content was not usable
  EventLoop event_loop_;
  std::thread thread_;
};

}  // namespace runner
