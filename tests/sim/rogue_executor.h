#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/sim/network.h"

namespace runner::sim {

// A peer that speaks the protocol and keeps no promise: it lists leases that it does not hold,
// grants credits without slots, accepts, rejects and reports what it was never offered, and falls
// silent over what it was. Ingest must stay right about everybody else.
class RogueExecutor final : public ExecutorPort {
 public:
  // `any_lease` names some lease that was once offered to somebody.
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
  std::vector<Lease> offered_;  // to this one
  StreamId stream_ = ingest::kNoStream;
  bool ended_ = false;
};

}  // namespace runner::sim
