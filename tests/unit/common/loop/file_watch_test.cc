#include "common/loop/file_watch.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

namespace runner {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

void Write(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }

std::string TextOf(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

class FileWatchTest : public ::testing::Test {
 protected:
  FileWatchTest() {
    fs::create_directory(directory_);
    Write(file_, "one");
  }
  ~FileWatchTest() override {
    watch_.reset();
    fs::remove_all(directory_);
  }

  void Watch() {
    const auto read = [this] {
      if (while_reading_) while_reading_();
      const std::string text = TextOf(file_);
      return FileWatch::Reading{[this, text] {
                                  const std::lock_guard lock(mutex_);
                                  texts_.push_back(text);
                                },
                                text != "not yet good"};
    };
    watch_ = std::make_unique<FileWatch>(clock_, file_, IdentityOf(file_.string()), read, 50ms);
  }
  std::vector<std::string> Seen() {
    const std::lock_guard lock(mutex_);
    return texts_;
  }
  // Waits until this many readings were made, and returns them.
  std::vector<std::string> Await(std::size_t count) {
    const auto limit = std::chrono::steady_clock::now() + 20s;
    while (Seen().size() < count && std::chrono::steady_clock::now() < limit) {
      std::this_thread::sleep_for(10ms);
    }
    return Seen();
  }

  const fs::path directory_ =
      fs::temp_directory_path() / ("runner-watch-" + std::to_string(::getpid()));
  const fs::path file_ = directory_ / "file";
  const SystemClock clock_;
  std::function<void()> while_reading_;  // on the thread of the watch
  std::unique_ptr<FileWatch> watch_;

 private:
  std::mutex mutex_;
  std::vector<std::string> texts_;
};

using Texts = std::vector<std::string>;

TEST_F(FileWatchTest, AnEditInPlaceAndARenameOverItAreRead) {
  Watch();
  Write(file_, "two, in place");
  EXPECT_EQ(Await(1), (Texts{"two, in place"}));
  Write(directory_ / "next", "three");
  fs::rename(directory_ / "next", file_);
  EXPECT_EQ(Await(2), (Texts{"two, in place", "three"}));
}

// file -> ..data/file, ..data -> a directory: a rename swaps the link, as the kubelet does.
TEST_F(FileWatchTest, ASwapOfALinkInThePathIsRead) {
  for (const char* version : {"..1", "..2"}) {
    fs::create_directory(directory_ / version);
    Write(directory_ / version / "file", version);
  }
  fs::remove(file_);
  fs::create_symlink("..1", directory_ / "..data");
  fs::create_symlink("..data/file", file_);
  Watch();
  fs::create_symlink("..2", directory_ / "..data_tmp");
  fs::rename(directory_ / "..data_tmp", directory_ / "..data");
  fs::remove_all(directory_ / "..1");
  EXPECT_EQ(Await(1), (Texts{"..2"}));
}

TEST_F(FileWatchTest, AnUnchangedFileIsReadOnlyOnRequest) {
  Watch();
  watch_->ReadNow();
  EXPECT_EQ(Await(1), (Texts{"one"}));
  Write(file_, "two");  // used at the second poll from now at the earliest
  EXPECT_EQ(Await(2), (Texts{"one", "two"})) << "nothing in between";
}

TEST_F(FileWatchTest, AFileThatVanishesAndReappearsIsReadBothTimes) {
  Watch();
  fs::remove(file_);
  EXPECT_EQ(Await(1), (Texts{""}));
  Write(file_, "back");
  EXPECT_EQ(Await(2), (Texts{"", "back"}));
}

TEST_F(FileWatchTest, AChangeBeforeTheWatchStartedIsRead) {
  const auto known = IdentityOf(file_.string());
  Write(file_, "two, meanwhile");
  std::promise<void> read;
  watch_ = std::make_unique<FileWatch>(
      clock_, file_, known, [&] { return FileWatch::Reading{[&read] { read.set_value(); }}; });
  EXPECT_EQ(read.get_future().wait_for(20s), std::future_status::ready);
}

TEST_F(FileWatchTest, AFileThatChangesDuringTheReadIsNotUsedUntilItIsStable) {
  std::atomic<int> readings = 0;
  while_reading_ = [&] {
    if (++readings == 1) Write(file_, "three, which is whole");
  };
  Watch();
  Write(file_, "only a half");
  EXPECT_EQ(Await(1), (Texts{"three, which is whole"}));
  EXPECT_EQ(readings, 2);
}

TEST_F(FileWatchTest, AnUnusableFileIsReadAgainWithoutAChange) {
  Watch();
  Write(file_, "not yet good");
  EXPECT_GE(Await(3).size(), 3u);
  Write(file_, "good");
  const auto limit = std::chrono::steady_clock::now() + 20s;
  while (Seen().back() != "good" && std::chrono::steady_clock::now() < limit) {
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(Seen().back(), "good");
}

TEST_F(FileWatchTest, EachOfSeveralFilesIsWatched) {
  const fs::path other = directory_ / "other";
  std::atomic<int> reads = 0;
  watch_ =
      std::make_unique<FileWatch>(clock_, std::vector{file_.string(), other.string()},
                                  FileWatch::Identities{IdentityOf(file_.string()), std::nullopt},
                                  [&] { return FileWatch::Reading{[&] { ++reads; }}; });
  Write(other, "comes");
  const auto limit = std::chrono::steady_clock::now() + 20s;
  while (reads == 0 && std::chrono::steady_clock::now() < limit) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(reads, 1);
  watch_.reset();
}

}  // namespace
}  // namespace runner
