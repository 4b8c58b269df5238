#pragma once

#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace runner::ingest {

// The members besides the id of a response that a scripted MCP server gives, `"result":...` or
// `"error":...`: the one that the letter names.
struct ScriptedReply {
  std::string members;
  bool is_list = false;  // as events_list answers, of events or of none; their times are around now
};
ScriptedReply ReplyNamed(char letter, WallTime now);

// Notifications that it sends on the stream. The fault is about an object of the lists.
extern const std::string_view kFaultNotification;
extern const std::string_view kEventNotification;
extern const std::string_view kSubscriptionError;

}  // namespace runner::ingest
