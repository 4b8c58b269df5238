#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <list>
#include <unordered_map>

#include "common/base/clock.h"

namespace runner::ingest {

// Limits how many sessions connect at a time: if all servers come back at once, neither they nor
// this process may be buried in handshakes.
//
// A session that waits for a server that does not answer costs a socket and no work. After
// kRpcTimeout without an answer it gives its place to the next one and goes on waiting; an answer
// puts it back, also if all places are taken, and then nobody enters until enough have left. So
// `width` sessions at a time are in a handshake that goes on, and at most `width` sessions in
// kRpcTimeout begin one with servers that do not answer. Waiters that have not failed enter before
// those that have.
//
// A look-up of a name holds a thread: those that wait for a name server keep their place once
// `max_lookups` others wait for one without.
//
// Pure; not thread-safe.
class ConnectLimiter {
 public:
  class Waiter {
   public:
    virtual ~Waiter() = default;
    // It has waited and has a place now. Called from Leave or Yield of another guest: what takes
    // long, or may come back to the gate, is for later.
    virtual void OnTurn() = 0;
  };
  enum class Standing {
    kGood,    // its latest attempt succeeded, or this is its first
    kFailed,  // its latest attempt did not come to a subscription
  };
  enum class WaitsFor { kServer, kNameServer };

  // Without an answer from its server, before a guest is to yield.
  static constexpr Duration kRpcTimeout = std::chrono::milliseconds(500);
  static constexpr std::size_t kMaxLookups = 512;

  // `width`: places, at least 1.
  explicit ConnectLimiter(std::size_t width, std::size_t max_lookups = kMaxLookups);

  // True: it has a place. False: it waits, and OnTurn tells when it has one. Changes nothing for a
  // guest that has entered or waits already. The guest leaves before it is destroyed.
  bool Enter(Waiter& waiter, Standing standing);
  // Its server has not answered for kRpcTimeout. To be repeated as long as that is so: what the
  // guest waits for may change. Does nothing for a guest that has not entered.
  void Yield(Waiter& waiter, WaitsFor what);
  // Its server has answered. Does nothing for a guest that has not yielded.
  void Return(Waiter& waiter);
  // Wherever it is; nothing happens to a guest that is nowhere.
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
