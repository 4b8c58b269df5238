#pragma once

#include <cstddef>
#include <list>
#include <unordered_map>
#include <unordered_set>

namespace runner::ingest {

// Lets only so many sessions connect at a time, and the others in the order in which they came:
// when all servers come back at once, neither they nor we are to be buried in handshakes.
//
// Pure; not thread-safe.
class ConnectGate {
 public:
  class Guest {
   public:
    virtual ~Guest() = default;
    // It has waited and is inside now. Called in the Leave of another guest: what takes long, or
    // may come back to the gate, is for later.
    virtual void OnTurn() = 0;
  };

  // `width`: how many may be inside, at least 1.
  explicit ConnectGate(std::size_t width);

  // True: it is inside. False: it waits, and OnTurn tells when it is. Changes nothing for a guest
  // that is inside or waits already. The guest leaves before it is destroyed.
  bool Enter(Guest& guest);
  // From inside or from the queue; nothing happens to a guest that is in neither.
  void Leave(Guest& guest);

  std::size_t inside() const { return inside_.size(); }
  std::size_t waiting() const { return queue_.size(); }

 private:
  const std::size_t width_;
  std::unordered_set<Guest*> inside_;
  std::list<Guest*> queue_;
  std::unordered_map<Guest*, std::list<Guest*>::iterator> places_;  // in the queue
};

}  // namespace runner::ingest
