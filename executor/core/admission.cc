#include "executor/core/admission.h"

#include <utility>

namespace runner::executor {

Admission::Verdict Admission::OnOffer(const Lease& lease) {
  if (running_.contains(lease) || results_.contains(lease)) return Verdict::kHeld;
  if (ended_.contains(lease)) return Verdict::kEnded;
  ++offers_;
  if (draining()) return Verdict::kDraining;
  if (offers_ > credits_ || running_.size() >= slots_) return Verdict::kNoSlot;
  running_.insert(lease);
  return Verdict::kTake;
}

void Admission::OnFinished(const Lease& lease, Outcome outcome) {
  if (running_.erase(lease) == 0) return;
  results_.insert_or_assign(lease, std::move(outcome));
  if (attached_) ++credits_;
}

void Admission::OnNotStarted(const Lease& lease) {
  if (running_.erase(lease) == 0) return;
  RememberEnded(lease);
  if (attached_) ++credits_;
}

void Admission::OnResultAck(const Lease& lease) {
  if (results_.erase(lease) != 0) RememberEnded(lease);
}

void Admission::RememberEnded(const Lease& lease) {
  ended_.insert(lease);
  ended_order_.push_back(lease);
  if (ended_order_.size() <= kMaxEnded) return;
  ended_.erase(ended_order_.front());
  ended_order_.pop_front();
}

void Admission::OnWelcome() {
  if (std::exchange(attached_, true)) return;
  offers_ = 0;
  credits_ = slots_ - running_.size();
}

void Admission::OnStreamEnded() {
  attached_ = false;
  stream_draining_ = false;
}

dispatch::RejectReason RejectReasonOf(Admission::Verdict verdict) {
  switch (verdict) {
    case Admission::Verdict::kEnded:
      return dispatch::RejectReason::kEnded;
    case Admission::Verdict::kDraining:
      return dispatch::RejectReason::kDraining;
    case Admission::Verdict::kNoSlot:
      return dispatch::RejectReason::kNoSlot;
    case Admission::Verdict::kTake:
    case Admission::Verdict::kHeld:
      break;
  }
  return dispatch::RejectReason::kUnspecified;
}

}  // namespace runner::executor
