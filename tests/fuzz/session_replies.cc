#include "tests/fuzz/session_replies.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <ctime>

#include "ingest/mcp/protocol/json_out.h"

namespace runner::ingest {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::array<std::string_view, 16> kFixed = {
    // a: initialize
    R"("result":{"protocolVersion":"2025-11-25","capabilities":{"logging":{}}})",
    R"("result":{"protocolVersion":"2024-11-05","capabilities":{}})",
    R"("result":{"protocolVersion":"1999-01-01"})",
    // d: of no content; of a subscription; of subscriptions, with ours among them and without
    R"("result":{})",
    R"("result":{"content":[{"type":"text","text":"{\"subscriptionId\":\"sub-1\"}"}]})",
    R"("result":{"content":[{"type":"text","text":"- sub-1"}]})",
    R"("result":{"content":[{"type":"text","text":"- sub-10"}]})",
    // h: refusals
    R"("result":{"content":[{"type":"text","text":"no"}],"isError":true})",
    R"("result":{"content":[{"type":"text","text":"Unknown tool"}],"isError":true})",
    R"("error":{"code":-32601,"message":"none"})", R"("error":{"code":-32000,"message":"broken"})",
    R"("result":null)",
    // m: tools/list: of a server that pushes, one that only lists, one that does neither, and the
    // first of several pages
    R"("result":{"tools":[{"name":"events_list"},{"name":"events_subscribe"}]})",
    R"("result":{"tools":[{"name":"pods_list"},{"name":"events_list"}]})",
    R"("result":{"tools":[{"name":"pods_list"}]})",
    R"("result":{"tools":[{"name":"events_list"}],"nextCursor":"2"})"};

std::string Listed(const std::string& name, WallTime at, const std::string& more) {
  const std::time_t time = std::chrono::system_clock::to_time_t(at);
  std::tm utc{};
  ::gmtime_r(&time, &utc);
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S +0000 UTC", &utc);
  return "- InvolvedObject: {Kind: Pod, Name: " + name + "}\n  Timestamp: " + text.data() + "\n" +
         more;
}

constexpr std::size_t kLists = 4;

// q: one event; r: all that may be odd about one; s: none; t: prose.
std::array<std::string, kLists> Lists(WallTime now) {
  const std::string broken = "  Reason: BackOff\n  Type: Warning\n";
  return {Listed("cart", now, broken),
          Listed("p", now - seconds(1), broken) + Listed("old", now - minutes(10), broken) +
              Listed("late", now - seconds(50), broken) + Listed("ahead", now + hours(1), broken) +
              Listed("other", now, "  Reason: Rare\n  Type: Warning\n") +
              Listed("well", now, "  Reason: BackOff\n  Type: Normal\n") +
              Listed(std::string(300, 'n'), now, broken) +
              "- InvolvedObject: {Kind: Pod, Name: timeless}\n" + broken + "- Type: Warning\n",
          "# No events found", "the cluster is on fire"};
}

}  // namespace

ScriptedReply ReplyNamed(char letter, WallTime now) {
  const std::size_t number = static_cast<unsigned char>(letter - 'a') % (kFixed.size() + kLists);
  if (number < kFixed.size()) return {std::string(kFixed[number]), false};
  const std::size_t list = number - kFixed.size();
  const Json content = {{{"type", "text"}, {"text", Lists(now)[list]}}};
  return {R"("result":)" + Json{{"content", content}}.dump(), list + 1 < kLists};
}

const std::string_view kFaultNotification =
    R"({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"warning",)"
    R"("logger":"kubernetes/faults","data":{"faultId":"0a","faultType":"CrashLoop",)"
    R"("resource":{"kind":"Pod","name":"p"}}}})";
const std::string_view kEventNotification =
    R"({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info",)"
    R"("logger":"kubernetes/events","data":{"event":{"type":"Warning","reason":"FailedMount",)"
    R"("involvedObject":{"kind":"Pod","name":"p"}}}}})";
const std::string_view kSubscriptionError =
    R"({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"warning",)"
    R"("logger":"kubernetes/subscription_error","data":{"degraded":true}}})";

}  // namespace runner::ingest
