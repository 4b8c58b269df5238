#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/sim/network.h"

namespace runner::sim {

// A peer that violates the protocol: it lists leases that it does not hold, grants credits without
// slots, accepts, rejects and reports leases that it was never offered, and does not respond to its
// offers. Ingest must stay correct for all other executors.
class RogueExecutor final : public ExecutorPort {
 public:
  // `any_lease` returns a lease that was offered to some executor.
  RogueExecutor(Environment& env, Network& network, std::string executor_id,
                std::function<Lease()> any_lease);
  ~RogueExecutor();
  RogueExecutor(const RogueExecutor&) = delete;
  RogueExecutor& operator=(const RogueExecutor&) = delete;

  bool ended() const { return ended_; }

 private:
  void OnMessage(StreamId stream, const DownMessage& message) override;
  void OnEnded(StreamId, bool) override { ended_ = true; }

  dispatch::Hello MakeHello();
  UpMessage Anything();
  Lease SomeLease();
  void Act();

  Environment& env_;
  Network& network_;
  const std::string executor_id_;
  const std::function<Lease()> any_lease_;
  std::vector<Lease> offered_;  // to this executor
  StreamId stream_ = ingest::kNoStream;
  bool ended_ = false;
};

}  // namespace runner::sim
