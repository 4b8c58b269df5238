#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "common/incident.h"
#include "ingest/core/effects.h"

namespace runner::sim {

// The messages of the dispatch protocol as plain values; no field of the wire matters to a decision
// but these.
struct Credits {
  std::uint64_t total = 0;
};
struct Accepted {
  Lease lease;
};
struct Rejected {
  Lease lease;
  std::string reason;
};
struct Started {
  Lease lease;
};
struct Result {
  Lease lease;
  Outcome outcome;
};
struct Beat {
  std::uint64_t seq = 0;
};
struct Draining {};

// From an executor to ingest.
using UpMessage =
    std::variant<ingest::HelloInfo, Credits, Accepted, Rejected, Started, Result, Beat, Draining>;
// From ingest to an executor; the stream in it is where it was sent to.
using DownMessage = std::variant<ingest::SendWelcome, ingest::SendOffer, ingest::SendRecorded,
                                 ingest::SendCancel, ingest::SendDrain, ingest::SendBeatAck>;

// Words with static storage.
std::string_view NameOf(const UpMessage& message);
std::string_view NameOf(const DownMessage& message);

std::string TextOf(const Lease& lease);
std::string TextOf(const UpMessage& message);
std::string TextOf(const DownMessage& message);

// The lease that a message from an executor speaks of, or null.
const Lease* LeaseOf(const UpMessage& message);

}  // namespace runner::sim
