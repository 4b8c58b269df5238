#include "common/observability/log_queue.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/unique_fd.h"
#include "tests/support/eventually.h"
#include "tests/support/temp_dir.h"

namespace runner {
namespace {

using namespace std::chrono_literals;
using support::Eventually;
using ::testing::ElementsAre;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::string Notice(std::uint64_t lost) { return "lost " + std::to_string(lost); }

LogQueue::Limits Small(std::size_t bytes, std::size_t lines = 1000) {
  LogQueue::Limits limits;
  limits.bytes = bytes;
  limits.lines = lines;
  limits.flush_timeout = 10ms;
  return limits;
}

// A pipe of one page with a blocking writing end.
struct Pipe {
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    out.Reset(ends[0]);
    in.Reset(ends[1]);
    ::fcntl(in.Get(), F_SETPIPE_SZ, 4096);
    ::fcntl(out.Get(), F_SETFL, O_NONBLOCK);
  }
  UniqueFd out, in;
};

// Reads until there are this many lines.
std::vector<std::string> ReadLines(int fd, std::size_t count) {
  std::string text;
  std::vector<std::string> lines;
  Eventually([&] {
    char some[4096];
    for (ssize_t got; (got = ::read(fd, some, sizeof some)) > 0;) text.append(some, got);
    for (std::size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
      lines.push_back(text.substr(0, end));
      if (lines.back().ends_with('\r')) lines.back().pop_back();  // of a terminal
    }
    return lines.size() >= count;
  });
  return lines;
}

// The number of dropped lines according to the notices, and the number of other lines.
struct Account {
  explicit Account(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
      if (line.starts_with("lost ")) {
        lost += std::stoull(line.substr(5));
      } else {
        ++written;
      }
    }
  }
  std::uint64_t lost = 0, written = 0;
};

// Writes until the pipe is full.
void Fill(const Pipe& pipe) {
  const int flags = ::fcntl(pipe.in.Get(), F_GETFL);
  ::fcntl(pipe.in.Get(), F_SETFL, flags | O_NONBLOCK);
  const std::string line(63, '.');
  while (::write(pipe.in.Get(), (line + "\n").data(), 64) > 0) {
  }
  ::fcntl(pipe.in.Get(), F_SETFL, flags);
}

TEST(LogQueueTest, WritesLinesInOrder) {
  const Pipe pipe;
  {
    LogQueue queue(pipe.in.Get(), {}, Notice);
    for (int i = 0; i < 3; ++i) queue.Push("line " + std::to_string(i));
  }
  EXPECT_THAT(ReadLines(pipe.out.Get(), 3), ElementsAre("line 0", "line 1", "line 2"));
}

TEST(LogQueueTest, CallersDoNotWaitForAStoppedReaderAndANoticeReportsTheDroppedLines) {
  const Pipe pipe;
  Fill(pipe);
  LogQueue queue(pipe.in.Get(), Small(6400), Notice);
  for (int i = 0; i < 1000; ++i) queue.Push(std::string(63, 'x'));
  EXPECT_EQ(queue.dropped(), 900u) << "6400 bytes hold 100 lines of 64";
  // The pipe held 64 lines of the test.
  const auto before = ReadLines(pipe.out.Get(), 64 + 100 + 1);
  ASSERT_THAT(before, SizeIs(165));
  EXPECT_EQ(before[163], std::string(63, 'x'));
  EXPECT_EQ(before[164], "lost 900") << "without waiting for another line";
  queue.Push("the next");
  EXPECT_THAT(ReadLines(pipe.out.Get(), 1), ElementsAre("the next"));
  EXPECT_EQ(queue.dropped(), 900u);
}

TEST(LogQueueTest, DroppedLinesAreReportedInTheirPlace) {
  const Pipe pipe;
  Fill(pipe);
  LogQueue queue(pipe.in.Get(), Small(10'240), Notice);
  for (int i = 0; i < 20; ++i) queue.Push(std::string(1023, 'x'));
  EXPECT_EQ(queue.dropped(), 10u);
  char page[4096];
  const auto is_full = [&] {
    int bytes = 0;
    return ::ioctl(pipe.out.Get(), FIONREAD, &bytes) == 0 && bytes == sizeof page;
  };
  ASSERT_EQ(::read(pipe.out.Get(), page, sizeof page), 4096);  // written by Fill
  ASSERT_TRUE(Eventually(is_full)) << "with four lines; six wait";
  queue.Push("lost as well");
  EXPECT_EQ(queue.dropped(), 11u) << "less than half of it is free";
  ASSERT_EQ(::read(pipe.out.Get(), page, sizeof page), 4096);
  ASSERT_TRUE(Eventually(is_full));
  std::uint64_t lost = 0;
  ASSERT_TRUE(Eventually([&] {  // two lines are queued
    lost = queue.dropped();
    queue.Push("the next");
    return queue.dropped() == lost;
  }));
  const auto lines = ReadLines(pipe.out.Get(), 8);
  ASSERT_THAT(lines, SizeIs(8));
  EXPECT_EQ(lines[6], "lost " + std::to_string(lost));
  EXPECT_EQ(lines[7], "the next");
}

TEST(LogQueueTest, LinesAreBoundedToo) {
  const Pipe pipe;
  Fill(pipe);
  LogQueue queue(pipe.in.Get(), Small(1 << 20, 8), Notice);
  for (int i = 0; i < 100; ++i) queue.Push("x");
  EXPECT_EQ(queue.dropped(), 92u);
  ReadLines(pipe.out.Get(), 64 + 8 + 1);  // lets the thread end before the descriptor is closed
}

TEST(LogQueueTest, OnlyTheLineAboveTheBoundIsDropped) {
  const Pipe pipe;
  LogQueue queue(pipe.in.Get(), Small(100), Notice);
  queue.Push(std::string(100, 'x'));
  EXPECT_THAT(ReadLines(pipe.out.Get(), 1), ElementsAre("lost 1"));
  queue.Push("short");
  EXPECT_THAT(ReadLines(pipe.out.Get(), 1), ElementsAre("short"));
}

TEST(LogQueueTest, EveryLineIsWrittenOrReportedWithASlowReader) {
  const Pipe pipe;
  LogQueue queue(pipe.in.Get(), Small(2048), Notice);
  std::vector<std::string> lines;
  constexpr int kLines = 20'000;
  for (int i = 0; i < kLines; ++i) {
    queue.Push(std::string(63, 'x'));
    if (i % 100 != 0) continue;
    for (std::string& line : ReadLines(pipe.out.Get(), 1)) lines.push_back(std::move(line));
  }
  ASSERT_TRUE(Eventually([&] {
    for (std::string& line : ReadLines(pipe.out.Get(), 0)) lines.push_back(std::move(line));
    const Account account(lines);
    return account.written + account.lost == kLines;
  }));
  EXPECT_GT(Account(lines).lost, 0u);
  EXPECT_EQ(Account(lines).lost, queue.dropped());
}

TEST(LogQueueTest, TheDestructorIsBoundedWithoutAReader) {
  const Pipe pipe;
  Fill(pipe);
  {
    LogQueue queue(pipe.in.Get(), Small(1000), Notice);
    queue.Push("never read");
  }  // the destructor returns
  ReadLines(pipe.out.Get(), 65);  // lets the thread end before the descriptor is closed
}

TEST(LogQueueTest, AClosedPipeDropsLinesAndDoesNotEndTheProcess) {
  Pipe pipe;
  pipe.out.Reset();
  LogQueue queue(pipe.in.Get(), Small(1000), Notice);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    queue.Push("into nothing");
    EXPECT_TRUE(Eventually([&] { return queue.dropped() == i; }));
  }
}

TEST(LogQueueTest, AClosedDescriptorDropsLinesAndDoesNotEndTheProcess) {
  LogQueue queue(-1, Small(1000), Notice);
  queue.Push("into nothing");
  EXPECT_TRUE(Eventually([&] { return queue.dropped() == 1; }));
}

TEST(LogQueueTest, ANonBlockingDescriptorDropsNoLine) {
  const Pipe pipe;
  Fill(pipe);
  ::fcntl(pipe.in.Get(), F_SETFL, O_NONBLOCK);
  LogQueue queue(pipe.in.Get(), Small(1 << 20), Notice);
  for (int i = 0; i < 500; ++i) queue.Push(std::string(63, 'x'));
  const Account account(ReadLines(pipe.out.Get(), 64 + 500));
  EXPECT_EQ(account.written, 564u);
  EXPECT_EQ(account.lost, 0u);
  EXPECT_TRUE(::fcntl(pipe.in.Get(), F_GETFL) & O_NONBLOCK);
}

TEST(LogQueueTest, AFullDiskDropsLinesAndSplitsNone) {
  const support::TempDir directory;
  const auto path = directory.path() / "log";
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit full{100, before.rlim_max};  // in bytes: the second line does not fit completely
  LogQueue queue(file.Get(), Small(1 << 20), Notice);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  for (int i = 0; i < 3; ++i) queue.Push(std::string(63, 'x'));
  const bool lost = Eventually([&] { return queue.dropped() == 2; });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_TRUE(lost);
  queue.Push("room again");
  EXPECT_TRUE(Eventually([&] {
    return support::ReadFile(path) ==
           std::string(63, 'x') + "\n" + std::string(36, 'x') + "\nlost 2\nroom again\n";
  })) << support::ReadFile(path);
}

TEST(LogQueueTest, AStoppedTerminalGetsItsLinesWhenItContinues) {
  int ends[2];
  ASSERT_EQ(::openpty(&ends[0], &ends[1], nullptr, nullptr, nullptr), 0);
  const UniqueFd screen(ends[0]), terminal(ends[1]);
  ::fcntl(screen.Get(), F_SETFL, O_NONBLOCK);
  constexpr char kStop = 0x13, kGoOn = 0x11;  // Ctrl-S, Ctrl-Q
  ASSERT_EQ(::write(screen.Get(), &kStop, 1), 1);
  LogQueue queue(terminal.Get(), Small(640), Notice);
  for (int i = 0; i < 100; ++i) queue.Push(std::string(63, 'x'));
  EXPECT_EQ(queue.dropped(), 90u);
  ASSERT_EQ(::write(screen.Get(), &kGoOn, 1), 1);
  const auto lines = ReadLines(screen.Get(), 11);
  ASSERT_THAT(lines, SizeIs(11));
  EXPECT_EQ(lines.back(), "lost 90");
}

TEST(LogQueueTest, StderrWaitsForASlowReader) {
  Pipe pipe;
  ::fcntl(pipe.out.Get(), F_SETFL, 0);
  std::string text = "problems";
  for (int i = 0; i < 32; ++i) text += '\n' + std::string(1023, 'x');
  std::atomic<std::size_t> read = 0;
  std::thread reader([&] {  // one kilobyte every 100 ms
    char some[1024];
    for (ssize_t got; (got = ::read(pipe.out.Get(), some, sizeof some)) > 0;) {
      read += static_cast<std::size_t>(got);
      std::this_thread::sleep_for(100ms);
    }
  });
  const UniqueFd before(::dup(STDERR_FILENO));
  ::dup2(pipe.in.Get(), STDERR_FILENO);
  pipe.in.Reset();
  WriteToStderr(text);
  const std::size_t read_by_then = read;
  ::dup2(before.Get(), STDERR_FILENO);
  reader.join();
  EXPECT_GE(read_by_then + 4096 + 1024, text.size()) << "the pipe holds the rest";
  EXPECT_EQ(read, text.size() + 1);
}

}  // namespace
}  // namespace runner
