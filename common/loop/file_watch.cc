#include "common/loop/file_watch.h"

#include <utility>

namespace runner {

FileWatch::FileWatch(const Clock& clock, std::string path, std::optional<FileIdentity> known,
                     Read read, Duration retry_interval)
    : FileWatch(clock, std::vector{std::move(path)}, Identities{known}, std::move(read),
                retry_interval) {}

FileWatch::FileWatch(const Clock& clock, std::vector<std::string> paths, Identities known,
                     Read read, Duration retry_interval)
    : paths_(std::move(paths)),
      read_(std::move(read)),
      retry_interval_(retry_interval),
      known_(known),
      seen_(std::move(known)),
      event_loop_(clock),
      thread_([this] {
        Look();
        event_loop_.Run();
      }) {}

FileWatch::~FileWatch() {
  event_loop_.Stop();
  thread_.join();
}

void FileWatch::ReadNow() {
  event_loop_.Post([this] { ReadWhole(); });
}

FileWatch::Identities FileWatch::Now() const {
  Identities now;
  for (const std::string& path : paths_) now.push_back(IdentityOf(path));
  return now;
}

void FileWatch::Look() {
  const Identities now = Now();
  const bool quiet = std::exchange(seen_, now) == now;
  const bool retry = retry_at_ && *retry_at_ <= event_loop_.Now().mono;
  if ((now != known_ || retry) && quiet) ReadWhole();
  event_loop_.After(kInterval, [this] { Look(); });
}

void FileWatch::ReadWhole() {
  const Identities before = Now();
  const Reading reading = read_();
  if (Now() != before) return;  // a later check reads it again
  known_ = before;
  retry_at_.reset();
  if (!reading.is_good) retry_at_ = event_loop_.Now().mono + retry_interval_;
  reading.act();
}

}  // namespace runner
