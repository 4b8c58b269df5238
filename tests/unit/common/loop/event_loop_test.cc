#include "common/loop/event_loop.h"

#include <array>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/support/fake_clock.h"

namespace runner {
namespace {

using std::chrono::milliseconds;

class InboxTest : public testing::Test {
 protected:
  SystemClock clock_;
  Inbox inbox_{clock_, 4};
  std::string order_;
};

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    read_end.Reset(ends[0]);
    write_end.Reset(ends[1]);
  }
  void Fill() const { EXPECT_EQ(::write(write_end.Get(), "x", 1), 1); }

  UniqueFd read_end;
  UniqueFd write_end;
};

TEST_F(InboxTest, RunsTasksInTheOrderOfPosting) {
  for (const char c : {'a', 'b', 'c'}) inbox_.Post([this, c] { order_ += c; });
  inbox_.Post([this] { inbox_.Stop(); });
  inbox_.Run();
  EXPECT_EQ(order_, "abc");
}

TEST_F(InboxTest, TaskMayPostAnother) {
  inbox_.Post([this] {
    inbox_.Post([this] { inbox_.Stop(); });
    order_ += 'a';
  });
  inbox_.Run();
  EXPECT_EQ(order_, "a");
}

TEST_F(InboxTest, PostFromAnotherThreadWakesTheLoop) {
  std::thread poster([this] { inbox_.Post([this] { inbox_.Stop(); }); });
  inbox_.Run();
  poster.join();
}

TEST_F(InboxTest, StopFromAnotherThreadEndsAnIdleLoop) {
  std::thread stopper([this] { inbox_.Stop(); });
  inbox_.Run();
  stopper.join();
}

TEST_F(InboxTest, TasksAfterStopDoNotRun) {
  inbox_.Post([this] { inbox_.Stop(); });
  inbox_.Post([this] { order_ += 'x'; });
  inbox_.Run();
  EXPECT_EQ(order_, "");
}

TEST_F(InboxTest, TimersFireInTheOrderOfTheirTimes) {
  inbox_.After(milliseconds(2), [this] {
    order_ += 'b';
    inbox_.Stop();
  });
  inbox_.After(milliseconds(1), [this] { order_ += 'a'; });
  inbox_.Run();
  EXPECT_EQ(order_, "ab");
}

TEST_F(InboxTest, TimersOfOneTimeFireInTheOrderOfArming) {
  const MonoTime at = inbox_.Now().mono;
  for (const char c : {'a', 'b', 'c'}) inbox_.At(at, [this, c] { order_ += c; });
  inbox_.At(at, [this] { inbox_.Stop(); });
  inbox_.Run();
  EXPECT_EQ(order_, "abc");
}

TEST_F(InboxTest, CancelledTimerDoesNotFire) {
  const MonoTime at = inbox_.Now().mono;
  const Inbox::TimerId cancelled = inbox_.At(at + milliseconds(1), [this] { order_ += 'x'; });
  inbox_.At(at, [this, cancelled] { inbox_.Cancel(cancelled); });
  inbox_.At(at + milliseconds(2), [this] { inbox_.Stop(); });
  inbox_.Run();
  EXPECT_EQ(order_, "");
}

TEST_F(InboxTest, CancellingAFiredTimerDoesNothing) {
  Inbox::TimerId fired = Inbox::kNoTimer;
  fired = inbox_.After({}, [this] { order_ += 'a'; });
  inbox_.After(milliseconds(1), [&] {
    inbox_.Cancel(fired);
    inbox_.Cancel(Inbox::kNoTimer);
    inbox_.Stop();
  });
  inbox_.Run();
  EXPECT_EQ(order_, "a");
}

TEST_F(InboxTest, WatchedDescriptorCallsItsHandler) {
  const Pipe pipe;
  pipe.Fill();
  inbox_.Watch(pipe.read_end.Get(), EPOLLIN, [this](std::uint32_t events) {
    EXPECT_TRUE(events & EPOLLIN);
    inbox_.Stop();
  });
  inbox_.Run();
}

TEST_F(InboxTest, HandlerMayUnwatchItselfAndTheOtherDescriptorOfTheBatch) {
  const Pipe first;
  const Pipe second;
  first.Fill();
  second.Fill();
  int calls = 0;
  const auto handler = [&](std::uint32_t) {
    ++calls;
    inbox_.Unwatch(first.read_end.Get());
    inbox_.Unwatch(second.read_end.Get());
    inbox_.After(milliseconds(1), [this] { inbox_.Stop(); });
  };
  inbox_.Watch(first.read_end.Get(), EPOLLIN, handler);
  inbox_.Watch(second.read_end.Get(), EPOLLIN, handler);
  inbox_.Run();
  EXPECT_EQ(calls, 1);
}

TEST_F(InboxTest, WatchingAgainReplacesTheHandlerEvenFromWithin) {
  const Pipe pipe;
  pipe.Fill();
  inbox_.Watch(pipe.read_end.Get(), EPOLLIN, [&](std::uint32_t) {
    order_ += 'a';
    inbox_.Watch(pipe.read_end.Get(), EPOLLIN, [&](std::uint32_t) {
      order_ += 'b';
      inbox_.Stop();
    });
  });
  inbox_.Run();
  EXPECT_EQ(order_, "ab");
}

TEST_F(InboxTest, WatchingABadDescriptorThrows) {
  EXPECT_THROW(inbox_.Watch(-1, EPOLLIN, [](std::uint32_t) {}), std::system_error);
}

TEST_F(InboxTest, IsFullAtItsCapacityAndTellsOnceWhenThereIsRoom) {
  int told = 0;
  inbox_.OnRoom([&] { ++told; });
  for (int i = 0; i < 3; ++i) inbox_.Post([] {});
  EXPECT_FALSE(inbox_.Full());
  inbox_.Post([] {});
  EXPECT_TRUE(inbox_.Full());
  inbox_.After(milliseconds(1), [this] { inbox_.Stop(); });
  inbox_.Run();
  EXPECT_FALSE(inbox_.Full());
  EXPECT_EQ(told, 1);
}

TEST_F(InboxTest, SaysNothingAboutRoomWhenItWasNeverFull) {
  int told = 0;
  inbox_.OnRoom([&] { ++told; });
  inbox_.Post([] {});
  inbox_.After(milliseconds(1), [this] { inbox_.Stop(); });
  inbox_.Run();
  EXPECT_EQ(told, 0);
}

}  // namespace
}  // namespace runner
