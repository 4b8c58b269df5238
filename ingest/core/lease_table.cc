#include "ingest/core/lease_table.h"

#include <algorithm>

namespace runner::ingest {

std::size_t LeaseTable::Executor::FreeSlots() const {
  if (!attached() || draining || next_offer) return 0;
  if (credits <= offers || leases.size() >= slots) return 0;
  return std::min<std::size_t>(credits - offers, slots - leases.size());
}

LeaseTable::Attached LeaseTable::Attach(StreamId stream, const dispatch::Hello& hello,
                                        MonoTime now) {
  Attached result;
  Executor& executor = executors_[hello.executor_id];
  if (executor.attached()) {
    result.superseded = executor.stream;
    executor_of_stream_.erase(executor.stream);
    to_keep_alive_.erase({AliveDeadline(executor), hello.executor_id});
  } else if (ReturnDeadline(executor) <= now) {
    ClearOfferDelay(executor);
  }
  to_return_.erase({ReturnDeadline(executor), hello.executor_id});
  executor.id = hello.executor_id;
  executor.boot_id = hello.boot_id;
  executor.version = hello.version;
  executor.slots = hello.slots;
  executor.sidecar = hello.sidecar;
  executor.stop_budget = hello.stop_budget;
  executor.draining = false;
  executor.stream = stream;
  executor.credits = 0;
  executor.offers = 0;
  executor.alive_at = now;
  to_keep_alive_.emplace(AliveDeadline(executor), executor.id);
  executor_of_stream_[stream] = executor.id;

  std::map<std::string, std::uint32_t> unlisted = executor.leases;
  const auto settle = [&](const Lease& lease) {
    const auto held = executor.leases.find(lease.incident_id);
    if (held == executor.leases.end() || held->second != lease.attempt) {
      result.dropped.push_back(lease);
      return;
    }
    // A listed lease was accepted; its Accepted may have been lost with the old stream.
    Accept(lease);
    unlisted.erase(lease.incident_id);
    result.kept.push_back(lease);
  };
  for (const Lease& lease : hello.running) settle(lease);
  for (const Lease& lease : hello.results_waiting) settle(lease);
  for (const auto& [id, attempt] : unlisted) result.lost.push_back({id, attempt});
  std::reverse(result.lost.begin(), result.lost.end());
  return result;
}

void LeaseTable::Restore(const std::string& executor_id, const Lease& lease, bool running,
                         MonoTime now) {
  Executor& executor = executors_[executor_id];
  executor.id = executor_id;
  executor.detached_at = now;
  executor.leases[lease.incident_id] = lease.attempt;
  to_return_.emplace(ReturnDeadline(executor), executor_id);
  const LeaseState state = running ? LeaseState::kRunning : LeaseState::kOffered;
  leases_[lease.incident_id] = {lease, executor_id, state, now};
}

std::vector<Lease> LeaseTable::UnacceptedOffers(StreamId stream) const {
  std::vector<Lease> untaken;
  const Executor* executor = OfStream(stream);
  if (executor == nullptr || !executor->draining) return untaken;
  for (const auto& [incident_id, attempt] : executor->leases) {
    const HeldLease& held = leases_.at(incident_id);
    if (held.state == LeaseState::kOffered) untaken.push_back(held.lease);
  }
  std::reverse(untaken.begin(), untaken.end());
  return untaken;
}

void LeaseTable::KeepAlive(StreamId stream, MonoTime now) {
  Executor* executor = Find(stream);
  if (executor == nullptr) return;
  to_keep_alive_.erase({AliveDeadline(*executor), executor->id});
  executor->alive_at = now;
  to_keep_alive_.emplace(AliveDeadline(*executor), executor->id);
}

std::vector<StreamId> LeaseTable::SilentBy(MonoTime now) const {
  std::vector<StreamId> silent;
  for (const auto& [deadline, executor_id] : to_keep_alive_) {
    if (now < deadline) break;
    silent.push_back(executors_.at(executor_id).stream);
  }
  return silent;
}

void LeaseTable::Detach(StreamId stream, MonoTime now) {
  Executor* executor = Find(stream);
  if (executor == nullptr) return;
  to_keep_alive_.erase({AliveDeadline(*executor), executor->id});
  executor->stream = kNoStream;
  executor->detached_at = now;
  to_return_.emplace(ReturnDeadline(*executor), executor->id);
  // The next Hello lists what the executor has accepted.
  for (const auto& [incident_id, attempt] : executor->leases) {
    to_accept_.erase({leases_.at(incident_id).accept_deadline, incident_id});
  }
  executor_of_stream_.erase(stream);
}

void LeaseTable::GrantCredits(StreamId stream, std::uint64_t total) {
  if (Executor* executor = Find(stream)) executor->credits = std::max(executor->credits, total);
}

void LeaseTable::SetDraining(StreamId stream) {
  if (Executor* executor = Find(stream)) executor->draining = true;
}

const LeaseTable::Executor* LeaseTable::LeastLoaded() const {
  const Executor* best = nullptr;
  std::size_t most = 0;
  for (const auto& [id, executor] : executors_) {
    if (executor.FreeSlots() > most) {
      most = executor.FreeSlots();
      best = &executor;
    }
  }
  return best;
}

void LeaseTable::Offer(const Executor& executor, const Lease& lease, MonoTime now) {
  Executor& own = executors_.at(executor.id);
  ++own.offers;
  own.leases[lease.incident_id] = lease.attempt;
  const MonoTime deadline = now + limits_.accept_timeout;
  leases_[lease.incident_id] = {lease, own.id, LeaseState::kOffered, deadline};
  to_accept_.emplace(deadline, lease.incident_id);
}

const LeaseTable::HeldLease* LeaseTable::Current(StreamId stream, const Lease& lease) const {
  const Executor* executor = OfStream(stream);
  const auto held = leases_.find(lease.incident_id);
  if (executor == nullptr || held == leases_.end()) return nullptr;
  if (held->second.lease != lease || held->second.executor_id != executor->id) return nullptr;
  return &held->second;
}

void LeaseTable::Accept(const Lease& lease) {
  HeldLease& held = leases_.at(lease.incident_id);
  held.state = LeaseState::kRunning;
  to_accept_.erase({held.accept_deadline, lease.incident_id});
}

void LeaseTable::Release(const std::string& incident_id) {
  const auto held = leases_.find(incident_id);
  if (held == leases_.end()) return;
  executors_.at(held->second.executor_id).leases.erase(incident_id);
  to_accept_.erase({held->second.accept_deadline, incident_id});
  leases_.erase(held);
}

void LeaseTable::SlowOffers(StreamId stream, MonoTime offered_at, MonoTime now) {
  Executor* executor = Find(stream);
  if (executor == nullptr || (executor->slowed_at && offered_at <= *executor->slowed_at)) return;
  executor->offer_delay =
      std::clamp(2 * executor->offer_delay, limits_.min_offer_delay, limits_.max_offer_delay);
  ClearNextOffer(*executor);
  executor->slowed_at = now;
  executor->next_offer = now + executor->offer_delay;
  to_resume_.emplace(*executor->next_offer, executor->id);
}

void LeaseTable::ResetOfferDelay(StreamId stream) {
  if (Executor* executor = Find(stream)) executor->offer_delay = Duration::zero();
}

void LeaseTable::ResumeOffers(MonoTime now) {
  while (!to_resume_.empty() && to_resume_.begin()->first <= now) {
    executors_.at(to_resume_.begin()->second).next_offer.reset();
    to_resume_.erase(to_resume_.begin());
  }
}

void LeaseTable::ClearNextOffer(Executor& executor) {
  if (executor.next_offer) to_resume_.erase({*executor.next_offer, executor.id});
  executor.next_offer.reset();
}

void LeaseTable::ClearOfferDelay(Executor& executor) {
  ClearNextOffer(executor);
  executor.offer_delay = Duration::zero();
  executor.slowed_at.reset();
}

std::vector<LeaseTable::ExpiredLease> LeaseTable::ExpiredBy(MonoTime now) const {
  std::vector<ExpiredLease> lost;
  for (const auto& [deadline, executor_id] : to_return_) {
    if (now < deadline) break;
    for (const auto& [incident_id, attempt] : executors_.at(executor_id).leases) {
      lost.push_back({{incident_id, attempt}, kNoStream, true});
    }
  }
  for (const auto& [deadline, incident_id] : to_accept_) {
    if (now < deadline) break;
    const HeldLease& held = leases_.at(incident_id);
    lost.push_back({held.lease, executors_.at(held.executor_id).stream, false});
  }
  std::sort(lost.begin(), lost.end(),
            [](const ExpiredLease& a, const ExpiredLease& b) { return a.lease > b.lease; });
  return lost;
}

void LeaseTable::ForgetIdle(MonoTime now) {
  // The latest detached first.
  std::vector<std::string> idle;
  for (auto away = to_return_.rbegin(); away != to_return_.rend(); ++away) {
    if (executors_.at(away->second).leases.empty()) idle.push_back(away->second);
  }
  std::size_t remembered = 0;
  for (const std::string& id : idle) {
    Executor& executor = executors_.at(id);
    const bool delayed = executor.offer_delay > Duration::zero() || executor.next_offer;
    const bool remember = delayed && now < ReturnDeadline(executor);
    if (remember && remembered++ < limits_.max_remembered) continue;
    ClearNextOffer(executor);
    to_return_.erase({ReturnDeadline(executor), id});
    executors_.erase(id);
  }
}

std::optional<MonoTime> LeaseTable::NextDeadline() const {
  std::optional<MonoTime> next;
  for (const auto* due : {&to_return_, &to_accept_, &to_keep_alive_, &to_resume_}) {
    if (!due->empty() && (!next || due->begin()->first < *next)) next = due->begin()->first;
  }
  return next;
}

const LeaseTable::Executor* LeaseTable::OfStream(StreamId stream) const {
  return const_cast<LeaseTable*>(this)->Find(stream);
}

LeaseTable::Executor* LeaseTable::Find(StreamId stream) {
  const auto found = executor_of_stream_.find(stream);
  return found == executor_of_stream_.end() ? nullptr : &executors_.at(found->second);
}

}  // namespace runner::ingest
