#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <list>
#include <unordered_map>

#include "common/base/clock.h"

namespace runner::ingest {

// Limits how many sessions connect at a time: when all servers recover at once, their handshakes
// must overload neither them nor this process.
//
// A session whose server does not answer costs a socket and no work. After kAnswerTimeout without
// an answer it yields its place to the next waiter and keeps waiting for the server. An answer
// gives it a place again, even if all places are taken; then no waiter enters until enough have
// left. So `width` sessions at a time make progress in a handshake, and at most `width` sessions
// per kAnswerTimeout begin one with a server that does not answer. Waiters that have not failed
// enter before waiters that have.
//
// A lookup of a name holds a thread: a session that waits for a name server keeps its place once
// `max_lookups` others wait for one without a place.
//
// Pure; not thread-safe.
class ConnectLimiter {
 public:
  class Waiter {
   public:
    virtual ~Waiter() = default;
    // It has a place now. Called inside Leave or Yield of another waiter: must not block, and must
    // not call the limiter.
    virtual void OnTurn() = 0;
  };
  enum class Standing {
    kGood,    // its latest attempt succeeded, or this is its first
    kFailed,  // its latest attempt reached no subscription
  };
  enum class WaitsFor { kServer, kNameServer };

  // Without an answer from its server, until a waiter must yield.
  static constexpr Duration kAnswerTimeout = std::chrono::milliseconds(500);
  static constexpr std::size_t kMaxLookups = 512;

  // `width`: places, at least 1.
  explicit ConnectLimiter(std::size_t width, std::size_t max_lookups = kMaxLookups);

  // True: it has a place. False: it waits, and OnTurn follows. Does nothing for a waiter that has
  // entered or waits already. A waiter must leave before it is destroyed.
  bool Enter(Waiter& waiter, Standing standing);
  // Its server has not answered for kAnswerTimeout. Must be repeated while that is so, because what
  // it waits for may change. Does nothing for a waiter that has not entered.
  void Yield(Waiter& waiter, WaitsFor what);
  // Its server has answered. Does nothing for a waiter that has not yielded.
  void Return(Waiter& waiter);
  // In any state, also if it has not entered.
  void Leave(Waiter& waiter);

  // Waiters that have a place; may exceed the width by those that have returned.
  std::size_t inside() const { return inside_; }
  std::size_t waiting() const { return queues_[0].size() + queues_[1].size(); }

 private:
  enum class State { kQueued, kInside, kYielded, kYieldedInLookup };
  struct Place {
    State state = State::kInside;
    Standing standing = Standing::kGood;
    std::list<Waiter*>::iterator at = {};  // in its queue, while kQueued
  };
  std::list<Waiter*>& QueueOf(Standing standing) {
    return queues_[static_cast<std::size_t>(standing)];
  }
  void Move(Place& place, State state);
  void Admit();

  const std::size_t width_;
  const std::size_t max_lookups_;
  std::unordered_map<Waiter*, Place> places_;
  std::array<std::list<Waiter*>, 2> queues_;  // by standing
  std::size_t inside_ = 0;
  std::size_t lookups_ = 0;  // kYieldedInLookup
};

}  // namespace runner::ingest
