#include "tests/sim/rogue_executor.h"

#include <algorithm>
#include <utility>

namespace runner::sim {

using std::chrono::milliseconds;

RogueExecutor::RogueExecutor(Environment& env, Network& network, std::string executor_id,
                             std::function<Lease()> any_lease)
    : env_(env),
      network_(network),
      executor_id_(std::move(executor_id)),
      any_lease_(std::move(any_lease)),
      stream_(network.Dial(*this)) {
  network_.SendUp(stream_, MakeHello());
  Act();
}

RogueExecutor::~RogueExecutor() {
  env_.events.DropAllOf(this);
  network_.LeaveByExecutor(stream_);
}

dispatch::Hello RogueExecutor::MakeHello() {
  dispatch::Hello hello;
  hello.executor_id = executor_id_;
  hello.boot_id = "rogue";
  hello.slots = static_cast<std::uint32_t>(env_.random.Between(1, 4));
  hello.sidecar = env_.random.Chance(500);
  for (std::size_t i = env_.random.Below(4); i > 0; --i) {
    (env_.random.Chance(500) ? hello.running : hello.results_waiting).push_back(SomeLease());
  }
  return hello;
}

Lease RogueExecutor::SomeLease() {
  if (offered_.empty() || env_.random.Chance(300)) {
    return env_.random.Chance(100) ? Lease{"nobody", 1} : any_lease_();
  }
  return offered_[env_.random.Below(offered_.size())];
}

UpMessage RogueExecutor::Anything() {
  switch (env_.random.Below(10)) {
    case 0:
      return MakeHello();
    case 1:
      return dispatch::Credits{env_.random.Below(12)};
    case 2:
      return dispatch::Accepted{SomeLease()};
    case 3:
      return dispatch::Rejected{SomeLease(), dispatch::RejectReason::kNoSlot};
    case 4:
      return dispatch::Started{SomeLease(), 1, kBeginning.wall};
    case 5:
      return dispatch::KeepAlive{env_.random.Below(100)};
    case 6:
      if (env_.random.Chance(50)) return dispatch::Draining{};
      [[fallthrough]];
    default:
      dispatch::Result result{SomeLease(), {}};
      // Mostly kCancelled, which no other executor reports without a Cancel.
      result.outcome.status =
          static_cast<RunStatus>(std::min<std::size_t>(env_.random.Below(7), 4));
      if (env_.random.Chance(50)) result.outcome.reason = kExecutorLost;
      if (env_.random.Chance(50)) result.outcome.reason = kShortage;
      return result;
  }
}

void RogueExecutor::Act() {
  env_.events.After(this, env_.random.Around(milliseconds(700)), [this] {
    if (ended_) return;
    const UpMessage message = Anything();
    env_.Note(executor_id_, [&] { return "sends " + TextOf(message); });
    network_.SendUp(stream_, message);
    Act();
  });
}

void RogueExecutor::OnMessage(StreamId, const DownMessage& message) {
  if (const auto* offer = std::get_if<dispatch::Offer>(&message)) {
    offered_.push_back(offer->lease);
    if (offered_.size() > 8) offered_.erase(offered_.begin());
  }
}

}  // namespace runner::sim
