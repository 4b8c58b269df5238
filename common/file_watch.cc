#include "common/file_watch.h"

#include <utility>

namespace runner {

FileWatch::FileWatch(const Clock& clock, std::string path, std::optional<FileIdentity> known,
                     Read read, Duration retry_interval)
    : path_(std::move(path)),
      read_(std::move(read)),
      retry_interval_(retry_interval),
      known_(known),
      seen_(known),
      inbox_(clock),
      thread_([this] {
        Look();
        inbox_.Run();
      }) {}

FileWatch::~FileWatch() {
  inbox_.Stop();
  thread_.join();
}

void FileWatch::ReadNow() {
  inbox_.Post([this] { ReadWhole(); });
}

void FileWatch::Look() {
  const std::optional<FileIdentity> now = IdentityOf(path_);
  const bool quiet = std::exchange(seen_, now) == now;
  const bool retry = retry_at_ && *retry_at_ <= inbox_.Now().mono;
  if ((now != known_ || retry) && quiet) ReadWhole();
  inbox_.After(kInterval, [this] { Look(); });
}

void FileWatch::ReadWhole() {
  const std::optional<FileIdentity> before = IdentityOf(path_);
  const Reading reading = read_();
  if (IdentityOf(path_) != before) return;  // the next looks will see to it
  known_ = before;
  retry_at_.reset();
  if (!reading.is_good) retry_at_ = inbox_.Now().mono + retry_interval_;
  reading.act();
}

}  // namespace runner
