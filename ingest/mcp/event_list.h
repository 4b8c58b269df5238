#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "ingest/mcp/cluster_event.h"

namespace runner::ingest {

// Events that one list may hold; what comes after them is not read.
constexpr std::size_t kMaxListedEvents = 10'000;

// Reads what the tool events_list of a kubernetes-mcp-server answers: a line of prose behind `#`,
// then a YAML list of
//
//   - InvolvedObject: {Kind: Pod, Name: cart-0, apiVersion: v1}
//     Message: ...
//     Namespace: shop
//     Reason: BackOff
//     Timestamp: 2026-11-25 16:48:44 +0000 UTC
//     Type: Warning
//
// Keys in any case. An event without a time, or with Go's zero time, comes without timestamp; what
// else is in the list is passed over. Nothing when the text is not such a list. Nothing is expanded
// and no document is built, and a text in which nothing is found for 256 KiB is given up: a hostile
// one costs no more than its length and some 60 MB. Never throws.
std::optional<std::vector<ClusterEvent>> ReadEventList(std::string_view text);

}  // namespace runner::ingest
