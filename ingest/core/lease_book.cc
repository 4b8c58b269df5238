#include "ingest/core/lease_book.h"

#include <algorithm>

namespace runner::ingest {

std::size_t LeaseBook::Executor::FreeSlots() const {
  if (!attached() || draining || credits <= offers || leases.size() >= slots) return 0;
  return std::min<std::size_t>(credits - offers, slots - leases.size());
}

LeaseBook::Attached LeaseBook::Attach(StreamId stream, const HelloInfo& hello) {
  Attached result;
  Executor& executor = executors_[hello.executor_id];
  if (executor.attached()) {
    result.superseded = executor.stream;
    executor_of_stream_.erase(executor.stream);
  }
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
  executor_of_stream_[stream] = executor.id;

  std::map<std::string, std::uint32_t> unlisted = executor.leases;
  const auto settle = [&](const Lease& lease) {
    const auto held = executor.leases.find(lease.incident_id);
    if (held == executor.leases.end() || held->second != lease.attempt) {
      result.dropped.push_back(lease);
      return;
    }
    // Listed means taken: an Accepted that was lost with the old stream is made good here.
    leases_.at(lease.incident_id).state = LeaseState::kRunning;
    unlisted.erase(lease.incident_id);
    result.kept.push_back(lease);
  };
  for (const Lease& lease : hello.running) settle(lease);
  for (const Lease& lease : hello.results_waiting) settle(lease);
  for (const auto& [id, attempt] : unlisted) result.lost.push_back({id, attempt});
  return result;
}

void LeaseBook::Detach(StreamId stream, MonoTime now) {
  Executor* executor = Find(stream);
  if (executor == nullptr) return;
  executor->stream = kNoStream;
  executor->detached_at = now;
  executor_of_stream_.erase(stream);
}

void LeaseBook::GrantCredits(StreamId stream, std::uint64_t total) {
  if (Executor* executor = Find(stream)) executor->credits = std::max(executor->credits, total);
}

void LeaseBook::SetDraining(StreamId stream) {
  if (Executor* executor = Find(stream)) executor->draining = true;
}

const LeaseBook::Executor* LeaseBook::MostFree() const {
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

void LeaseBook::Offer(const Executor& executor, const Lease& lease, MonoTime now) {
  Executor& own = executors_.at(executor.id);
  ++own.offers;
  own.leases[lease.incident_id] = lease.attempt;
  leases_[lease.incident_id] = {lease, own.id, LeaseState::kOffered, now + limits_.accept_timeout};
}

LeaseBook::HeldLease* LeaseBook::Current(StreamId stream, const Lease& lease) {
  const Executor* executor = Find(stream);
  const auto held = leases_.find(lease.incident_id);
  if (executor == nullptr || held == leases_.end()) return nullptr;
  if (held->second.lease != lease || held->second.executor_id != executor->id) return nullptr;
  return &held->second;
}

void LeaseBook::Release(const std::string& incident_id) {
  const auto held = leases_.find(incident_id);
  if (held == leases_.end()) return;
  executors_.at(held->second.executor_id).leases.erase(incident_id);
  leases_.erase(held);
}

std::vector<LeaseBook::Lost> LeaseBook::LostBy(MonoTime now) const {
  std::vector<Lost> lost;
  for (const auto& [id, held] : leases_) {
    const Executor& executor = executors_.at(held.executor_id);
    if (!executor.attached()) {
      if (executor.detached_at + limits_.lease_ttl <= now) {
        lost.push_back({held.lease, kNoStream, true});
      }
    } else if (held.state == LeaseState::kOffered && held.accept_deadline <= now) {
      lost.push_back({held.lease, executor.stream, false});
    }
  }
  return lost;
}

void LeaseBook::ForgetIdle() {
  std::erase_if(executors_, [](const auto& entry) {
    return !entry.second.attached() && entry.second.leases.empty();
  });
}

std::optional<MonoTime> LeaseBook::NextDeadline() const {
  std::optional<MonoTime> next;
  for (const auto& [id, held] : leases_) {
    const Executor& executor = executors_.at(held.executor_id);
    std::optional<MonoTime> deadline;
    if (!executor.attached()) {
      deadline = executor.detached_at + limits_.lease_ttl;
    } else if (held.state == LeaseState::kOffered) {
      deadline = held.accept_deadline;
    }
    if (deadline && (!next || *deadline < *next)) next = deadline;
  }
  return next;
}

const LeaseBook::Executor* LeaseBook::OfStream(StreamId stream) const {
  return const_cast<LeaseBook*>(this)->Find(stream);
}

LeaseBook::Executor* LeaseBook::Find(StreamId stream) {
  const auto found = executor_of_stream_.find(stream);
  return found == executor_of_stream_.end() ? nullptr : &executors_.at(found->second);
}

}  // namespace runner::ingest
