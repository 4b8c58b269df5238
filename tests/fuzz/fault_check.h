#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "ingest/mcp/protocol/fault_decoder.h"

// What fault_decoder.h promises of the events that a server told. Each ends the program on a
// breach.

namespace runner::ingest {

// `text` is what a bound of `max` bytes leaves of `original`.
void CheckText(const std::string& text, std::string_view original, std::size_t max);

void CheckSame(const FaultEvent& a, const FaultEvent& b);

// Normalize bounds any text, also what is no UTF-8, says whether something is missing, and has
// nothing left to do a second time.
void CheckNormalize(const FaultEvent& original);

// Of any decoder: an event that is valid and within its bounds, or why there is none. The event.
const FaultEvent* CheckDecoded(const DecodedEvent& decoded);

}  // namespace runner::ingest
