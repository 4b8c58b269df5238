#include "common/domain/dispatch.h"

namespace runner::dispatch {
namespace {

template <typename Enum, std::size_t size>
Enum Parse(std::string_view word, const Enum (&values)[size]) {
  for (const Enum value : values) {
    if (ToString(value) == word) return value;
  }
  return Enum::kUnspecified;
}

}  // namespace

std::string_view ToString(RejectReason reason) {
  switch (reason) {
    case RejectReason::kUnspecified:
      break;
    case RejectReason::kDraining:
      return "draining";
    case RejectReason::kNoSlot:
      return "no_slot";
    case RejectReason::kEnded:
      return "ended";
    case RejectReason::kLate:
      return "late";
    case RejectReason::kShortage:
      return "shortage";
  }
  return "unspecified";
}

RejectReason ParseRejectReason(std::string_view word) {
  using enum RejectReason;
  return Parse(word, {kDraining, kNoSlot, kEnded, kLate, kShortage});
}

std::string_view ToString(CancelReason reason) {
  switch (reason) {
    case CancelReason::kUnspecified:
      break;
    case CancelReason::kShutdown:
      return "shutdown";
    case CancelReason::kCancelled:
      return "cancelled";
    case CancelReason::kStale:
      return "stale";
    case CancelReason::kAcceptTimeout:
      return "accept_timeout";
  }
  return "unspecified";
}

CancelReason ParseCancelReason(std::string_view word) {
  using enum CancelReason;
  return Parse(word, {kShutdown, kCancelled, kStale, kAcceptTimeout});
}

}  // namespace runner::dispatch
