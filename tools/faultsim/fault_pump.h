#pragma once

#include <cstdint>
#include <functional>

#include "common/loop/event_loop.h"
#include "tools/faultsim/fault_generator.h"
#include "tools/faultsim/http_server.h"
#include "tools/faultsim/mcp_server.h"

namespace runner::faultsim {

// Publishes faults at a steady rate while at least one session is subscribed; no fault occurs
// otherwise. Pauses while a stream is congested. Used on the thread of its EventLoop only.
class FaultPump {
 public:
  struct Pace {
    double per_second = 0.5;
    std::uint64_t count = 0;  // number of faults; 0: unlimited
  };
  using Observer = std::function<void(const FaultEvent& fault, std::size_t sessions)>;

  FaultPump(EventLoop& event_loop, McpServer& mcp, const HttpServer& http, FaultGenerator generator,
            Pace pace, Observer observer);
  ~FaultPump() { event_loop_.Cancel(timer_); }
  FaultPump(const FaultPump&) = delete;
  FaultPump& operator=(const FaultPump&) = delete;

 private:
  // Publishes one fault now and schedules the others from now on.
  void Start();
  void Tick();
  void Emit();
  bool Idle() const;

  EventLoop& event_loop_;
  McpServer& mcp_;
  const HttpServer& http_;
  FaultGenerator generator_;
  const Pace pace_;
  const Duration period_;
  Observer observer_;
  EventLoop::TimerId timer_ = EventLoop::kNoTimer;
  bool starting_ = false;
  MonoTime next_;
  std::uint64_t emitted_ = 0;
};

}  // namespace runner::faultsim
