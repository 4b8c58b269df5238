#include "ingest/core/effects.h"

namespace runner::ingest {

std::string_view ToString(RequeueReason reason) {
  switch (reason) {
    case RequeueReason::kLost:
      return "lost";
    case RequeueReason::kLeaseExpired:
      return "lease_expired";
    case RequeueReason::kAcceptTimeout:
      return "accept_timeout";
    case RequeueReason::kRejected:
      return "rejected";
    case RequeueReason::kInterrupted:
      return "interrupted";
    case RequeueReason::kShortage:
      return "shortage";
  }
  return "";
}

}  // namespace runner::ingest
