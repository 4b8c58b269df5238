// The input is a script of what an MCP server and the network do to a session. Each letter is a
// step; some take letters after them, others the rest of the line; what is no letter of a step is
// skipped. A step that cannot happen now is skipped as well: the session receives only what a
// connection may forward. A letter that chooses names an entry of a table, a the first.
//
//   = MODE TRANSPORT BACKFILL
//      at the start only; as if =aaa: faults over Streamable HTTP, no backfill
//   h STATUS TYPE  head of a POST's answer; + behind it: with a session id
//   u  the answer to the request is a stream that broke and is resumed: a head follows
//   g STATUS TYPE  head of the stream
//   e ENDPOINT     the stream names the URL for POSTs
//   r REPLY        reply to the request in the answer to its POST, which is then over
//   y  the same with the latest list of events once more
//   s REPLY        reply to the request on the stream
//   b  the next POST is meant from now on
//   d  the POST is over                     D CLASS  the POST broke
//   c  the stream is over                   C CLASS  the stream broke
//   i  the stream is over, with an event id
//   m TEXT         message on the stream    q TEXT   message in the POST's answer
//   f  fault on the stream                  v  event of the cluster on the stream
//   w  subscription error on the stream     p PULSE  what else the stream has shown
//   o  a message was oversize               l  a line has no end
//   t TIME         time passes              j JUMP   the wall clock jumps
//   T  the timer fires                      n  time passes to the deadline, the timer fires
//   R  resume
//   N  a new session on the same history, after the end of the one before
//   X  close

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ingest/mcp/protocol/jsonrpc.h"
#include "ingest/mcp/protocol/mcp_session.h"
#include "tests/fuzz/played_session.h"
#include "tests/fuzz/session_replies.h"

namespace runner::ingest {
namespace {

using Activity = PlayedSession::Activity;

constexpr std::array kModes = {McpMode::kFaults, McpMode::kEvents, McpMode::kPoll, McpMode::kAuto};
constexpr std::array kTransports = {Transport::kStreamableHttp, Transport::kSse, Transport::kAuto};
constexpr std::array kBackfill = {false, true};
constexpr std::array<int, 12> kStatuses = {200, 202, 204, 400, 401, 404,
                                           405, 409, 429, 500, 503, 302};
constexpr std::array<const char*, 4> kTypes = {"application/json", "text/event-stream", "",
                                               "text/html"};
constexpr std::array<std::chrono::milliseconds, 6> kTimes = {
    std::chrono::milliseconds(1), std::chrono::seconds(1),  std::chrono::seconds(10),
    std::chrono::seconds(30),     std::chrono::seconds(31), std::chrono::hours(24)};
constexpr std::array<std::chrono::minutes, 3> kJumps = {
    std::chrono::minutes(-90), std::chrono::minutes(90), std::chrono::minutes(-1)};
// One is of another origin.
const std::array<std::optional<std::string>, 3> kEndpoints = {"http://a/post?id=1", std::nullopt,
                                                              "http://a/other"};
constexpr std::array kActivities = {Activity::kComment, Activity::kEventBegins,
                                    Activity::kEventEnds, Activity::kByte};

// The entry that a letter names: a the first, b the second and so on.
template <typename Table>
const auto& Pick(const Table& table, char letter) {
  return table[static_cast<unsigned char>(letter - 'a') % std::size(table)];
}

class Script {
 public:
  explicit Script(std::string_view text) : left_(text) {}

  void Run() {
    PlayedSession session(TakeOptions());
    while (!left_.empty() && !session.closed()) Step(Take(), session);
    if (!session.closed()) session.EndInSilence();
  }

 private:
  char Take() {
    const char letter = left_.empty() ? 'a' : left_.front();
    left_.remove_prefix(std::min<std::size_t>(1, left_.size()));
    return letter;
  }
  std::string_view TakeLine() {
    const std::string_view line = left_.substr(0, left_.find('\n'));
    left_.remove_prefix(line.size());
    return line;
  }
  McpSessionOptions TakeOptions() {
    // One for all sessions, as a thread has.
    static const auto reader = std::make_shared<JsonRpcReader>();
    const bool chosen = left_.starts_with('=');
    if (chosen) Take();
    McpSessionOptions options;
    options.client_version = "1";
    options.mode = Pick(kModes, chosen ? Take() : 'a');
    options.transport = Pick(kTransports, chosen ? Take() : 'a');
    options.backfill = Pick(kBackfill, chosen ? Take() : 'a');
    options.reader = reader;
    return options;
  }
  HttpHead TakeHead() {
    HttpHead head;
    head.status = Pick(kStatuses, Take());
    head.content_type = Pick(kTypes, Take());
    if (left_.starts_with('+')) head.session_id = "s-1";
    return head;
  }
  std::optional<ConnectionFailure> TakeFailure() {
    ConnectionFailure failure;
    failure.error =
        static_cast<ErrorClass>(static_cast<unsigned char>(Take() - 'a') % kErrorClassCount);
    failure.detail = "broken";
    return failure;
  }

  void Step(char letter, PlayedSession& session) {
    switch (letter) {
      case 'h':
        return session.GivePostHead(TakeHead());
      case 'u':
        return session.ResumePost();
      case 'g':
        return session.GiveStreamHead(TakeHead());
      case 'e':
        return session.SendEndpoint(Pick(kEndpoints, Take()));
      case 'r':
        return session.Reply(Take());
      case 'y':
        return session.ReplyOnceMore();
      case 's':
        return session.ReplyOnStream(Take());
      case 'b':
        return session.ChooseNextPost();
      case 'd':
        return session.EndPost(std::nullopt);
      case 'D':
        return session.EndPost(TakeFailure());
      case 'c':
        return session.EndStream(std::nullopt, "");
      case 'i':
        return session.EndStream(std::nullopt, "7");
      case 'C':
        return session.EndStream(TakeFailure(), "");
      case 'm':
        return session.Send(TakeLine(), MessageOrigin::kStream);
      case 'q':
        return session.Send(TakeLine(), MessageOrigin::kPost);
      case 'f':
        return session.Send(kFaultNotification, MessageOrigin::kStream);
      case 'v':
        return session.Send(kEventNotification, MessageOrigin::kStream);
      case 'w':
        return session.Send(kSubscriptionError, MessageOrigin::kStream);
      case 'p':
        return session.ShowActivity(Pick(kActivities, Take()));
      case 'o':
        return session.SendOversize();
      case 'l':
        return session.SendEndlessLine();
      case 't':
        return session.Pass(Pick(kTimes, Take()));
      case 'j':
        return session.JumpWallClock(Pick(kJumps, Take()));
      case 'T':
        return session.Timer();
      case 'n':
        return session.PassToDeadline();
      case 'R':
        return session.Resume();
      case 'N':
        return session.BeginAnother();
      case 'X':
        return session.Close();
      default:
        return;
    }
  }

  std::string_view left_;
};

}  // namespace
}  // namespace runner::ingest

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  runner::ingest::Script({reinterpret_cast<const char*>(data), size}).Run();
  return 0;
}
