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

class EventLoopTest : public testing::Test {
 protected:
  SystemClock clock_;
  EventLoop event_loop_{clock_, 4};
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

TEST_F(EventLoopTest, RunsTasksInTheOrderOfPosting) {
  for (const char c : {'a', 'b', 'c'}) event_loop_.Post([this, c] { order_ += c; });
  event_loop_.Post([this] { event_loop_.Stop(); });
  event_loop_.Run();
  EXPECT_EQ(order_, "abc");
}

TEST_F(EventLoopTest, TaskMayPostAnother) {
  event_loop_.Post([this] {
    event_loop_.Post([this] { event_loop_.Stop(); });
    order_ += 'a';
  });
  event_loop_.Run();
  EXPECT_EQ(order_, "a");
}

TEST_F(EventLoopTest, PostFromAnotherThreadWakesTheLoop) {
  std::thread poster([this] { event_loop_.Post([this] { event_loop_.Stop(); }); });
  event_loop_.Run();
  poster.join();
}

TEST_F(EventLoopTest, StopFromAnotherThreadEndsAnIdleLoop) {
  std::thread stopper([this] { event_loop_.Stop(); });
  event_loop_.Run();
  stopper.join();
}

TEST_F(EventLoopTest, TasksAfterStopDoNotRun) {
  event_loop_.Post([this] { event_loop_.Stop(); });
  event_loop_.Post([this] { order_ += 'x'; });
  event_loop_.Run();
  EXPECT_EQ(order_, "");
}

TEST_F(EventLoopTest, TimersFireInTheOrderOfTheirTimes) {
  event_loop_.After(milliseconds(2), [this] {
    order_ += 'b';
    event_loop_.Stop();
  });
  event_loop_.After(milliseconds(1), [this] { order_ += 'a'; });
  event_loop_.Run();
  EXPECT_EQ(order_, "ab");
}

TEST_F(EventLoopTest, TimersOfOneTimeFireInTheOrderOfArming) {
  const MonoTime at = event_loop_.Now().mono;
  for (const char c : {'a', 'b', 'c'}) event_loop_.At(at, [this, c] { order_ += c; });
  event_loop_.At(at, [this] { event_loop_.Stop(); });
  event_loop_.Run();
  EXPECT_EQ(order_, "abc");
}

TEST_F(EventLoopTest, CancelledTimerDoesNotFire) {
  const MonoTime at = event_loop_.Now().mono;
  const EventLoop::TimerId cancelled =
      event_loop_.At(at + milliseconds(1), [this] { order_ += 'x'; });
  event_loop_.At(at, [this, cancelled] { event_loop_.Cancel(cancelled); });
  event_loop_.At(at + milliseconds(2), [this] { event_loop_.Stop(); });
  event_loop_.Run();
  EXPECT_EQ(order_, "");
}

TEST_F(EventLoopTest, CancellingAFiredTimerDoesNothing) {
  EventLoop::TimerId fired = EventLoop::kNoTimer;
  fired = event_loop_.After({}, [this] { order_ += 'a'; });
  event_loop_.After(milliseconds(1), [&] {
    event_loop_.Cancel(fired);
    event_loop_.Cancel(EventLoop::kNoTimer);
    event_loop_.Stop();
  });
  event_loop_.Run();
  EXPECT_EQ(order_, "a");
}

TEST_F(EventLoopTest, WatchedDescriptorCallsItsHandler) {
  const Pipe pipe;
  pipe.Fill();
  event_loop_.Watch(pipe.read_end.Get(), EPOLLIN, [this](std::uint32_t events) {
    EXPECT_TRUE(events & EPOLLIN);
    event_loop_.Stop();
  });
  event_loop_.Run();
}

TEST_F(EventLoopTest, HandlerMayUnwatchItselfAndTheOtherDescriptorOfTheBatch) {
  const Pipe first;
  const Pipe second;
  first.Fill();
  second.Fill();
  int calls = 0;
  const auto handler = [&](std::uint32_t) {
    ++calls;
    event_loop_.Unwatch(first.read_end.Get());
    event_loop_.Unwatch(second.read_end.Get());
    event_loop_.After(milliseconds(1), [this] { event_loop_.Stop(); });
  };
  event_loop_.Watch(first.read_end.Get(), EPOLLIN, handler);
  event_loop_.Watch(second.read_end.Get(), EPOLLIN, handler);
  event_loop_.Run();
  EXPECT_EQ(calls, 1);
}

TEST_F(EventLoopTest, WatchingAgainReplacesTheHandlerEvenFromWithin) {
  const Pipe pipe;
  pipe.Fill();
  event_loop_.Watch(pipe.read_end.Get(), EPOLLIN, [&](std::uint32_t) {
    order_ += 'a';
    event_loop_.Watch(pipe.read_end.Get(), EPOLLIN, [&](std::uint32_t) {
      order_ += 'b';
      event_loop_.Stop();
    });
  });
  event_loop_.Run();
  EXPECT_EQ(order_, "ab");
}

TEST_F(EventLoopTest, WatchingABadDescriptorThrows) {
  EXPECT_THROW(event_loop_.Watch(-1, EPOLLIN, [](std::uint32_t) {}), std::system_error);
}

TEST_F(EventLoopTest, IsFullAtItsCapacityAndCallsOnRoomOnce) {
  int calls = 0;
  event_loop_.OnRoom([&] { ++calls; });
  for (int i = 0; i < 3; ++i) event_loop_.Post([] {});
  EXPECT_FALSE(event_loop_.Full());
  event_loop_.Post([] {});
  EXPECT_TRUE(event_loop_.Full());
  event_loop_.After(milliseconds(1), [this] { event_loop_.Stop(); });
  event_loop_.Run();
  EXPECT_FALSE(event_loop_.Full());
  EXPECT_EQ(calls, 1);
}

TEST_F(EventLoopTest, DoesNotCallOnRoomIfItWasNeverFull) {
  int calls = 0;
  event_loop_.OnRoom([&] { ++calls; });
  event_loop_.Post([] {});
  event_loop_.After(milliseconds(1), [this] { event_loop_.Stop(); });
  event_loop_.Run();
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace runner
