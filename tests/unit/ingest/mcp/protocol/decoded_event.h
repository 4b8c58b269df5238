#pragma once

#include <string>
#include <variant>

#include <gtest/gtest.h>

#include "ingest/mcp/protocol/fault_decoder.h"

namespace runner::ingest {

// What a valid event says.
inline FaultEvent FaultIn(const DecodedEvent& event) {
  if (const auto* invalid = std::get_if<InvalidEvent>(&event)) {
    ADD_FAILURE() << invalid->detail;
    return {};
  }
  return std::get<FaultEvent>(event);
}
inline std::string Reason(const DecodedEvent& event) {
  const auto* invalid = std::get_if<InvalidEvent>(&event);
  return invalid == nullptr ? "valid" : invalid->reason;
}

}  // namespace runner::ingest
