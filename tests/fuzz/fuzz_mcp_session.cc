// The input is a script of what an MCP server and the network do to a session. Each letter is a
// step; some take letters after them, others the rest of the line; what is no letter of a step is
// skipped. A step that cannot happen now is skipped as well: only what the connection may tell its
// event source is told.
//
//   h STATUS TYPE  head of a POST's answer         g STATUS TYPE  head of the stream
//   r KIND         reply to the request            b              the next POST is meant from now
//   on d              the POST is over                D CLASS        the POST broke c the stream is
//   over              C CLASS        the stream broke i              the same, with an event id o
//   a message was oversize m TEXT         message on the stream           q TEXT         message in
//   the POST's answer f              fault on the stream             w              subscription
//   error on the stream t TIME         time passes                     T              the timer
//   fires n              time passes to the deadline     R              resume X              close

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ingest/mcp/mcp_session.h"
#include "tests/fuzz/fuzz_check.h"
#include "tests/fuzz/session_contract.h"

namespace runner::ingest {
namespace {

using Life = SessionContract::Life;

constexpr std::array<int, 12> kStatuses = {200, 202, 204, 400, 401, 404,
                                           405, 409, 429, 500, 503, 302};
constexpr std::array<const char*, 4> kTypes = {"application/json", "text/event-stream", "",
                                               "text/html"};
constexpr std::array<std::chrono::milliseconds, 6> kTimes = {
    std::chrono::milliseconds(1), std::chrono::seconds(1),  std::chrono::seconds(10),
    std::chrono::seconds(30),     std::chrono::seconds(31), std::chrono::hours(24)};
constexpr std::string_view kFault =
    R"({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"warning",)"
    R"("logger":"kubernetes/faults","data":{"faultId":"0a","faultType":"CrashLoop",)"
    R"("resource":{"kind":"Pod","name":"p"}}}})";
constexpr std::string_view kSubscriptionError =
    R"({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"warning",)"
    R"("logger":"kubernetes/subscription_error","data":{"degraded":true}}})";
constexpr std::array<std::string_view, 12> kReplies = {
    R"("result":{"protocolVersion":"2025-11-25","capabilities":{"logging":{}}})",
    R"("result":{"protocolVersion":"2024-11-05","capabilities":{}})",
    R"("result":{"protocolVersion":"1999-01-01"})",
    R"("result":{})",
    R"("result":{"content":[{"type":"text","text":"{\"subscriptionId\":\"sub-1\"}"}]})",
    R"("result":{"content":[{"type":"text","text":"- sub-1"}]})",
    R"("result":{"content":[{"type":"text","text":"- sub-10"}]})",
    R"("result":{"content":[{"type":"text","text":"no"}],"isError":true})",
    R"("result":{"content":[{"type":"text","text":"Unknown tool"}],"isError":true})",
    R"("error":{"code":-32601,"message":"none"})",
    R"("error":{"code":-32000,"message":"broken"})",
    R"("result":null)"};

// The entry that a letter names: a the first, b the second and so on.
template <typename Table>
const auto& Pick(const Table& table, char letter) {
  return table[static_cast<unsigned char>(letter - 'a') % std::size(table)];
}

class Play {
 public:
  explicit Play(std::string_view script) : script_(script) {}

  void Run() {
    Perform(session_.Start(now_));
    while (!script_.empty() && !closed_) Step(Take());
    if (!closed_) EndInSilence();
  }

 private:
  char Take() {
    const char letter = script_.empty() ? 'a' : script_.front();
    script_.remove_prefix(std::min<std::size_t>(1, script_.size()));
    return letter;
  }
  std::string_view TakeLine() {
    const std::string_view line = script_.substr(0, script_.find('\n'));
    script_.remove_prefix(line.size());
    return line;
  }
  HttpHead TakeHead() {
    HttpHead head;
    head.status = Pick(kStatuses, Take());
    head.content_type = Pick(kTypes, Take());
    if (script_.starts_with('+')) head.session_id = "s-1";
    return head;
  }
  std::optional<ConnectionFailure> TakeFailure() {
    ConnectionFailure failure;
    failure.error =
        static_cast<ErrorClass>(static_cast<unsigned char>(Take() - 'a') % kErrorClassCount);
    failure.detail = "broken";
    return failure;
  }

  void Perform(const SourceActions& actions) { contract_.Performed(actions, session_); }

  void Step(char letter) {
    switch (letter) {
      case 'h':
        return GivePostHead(TakeHead());
      case 'g':
        return GiveStreamHead(TakeHead());
      case 'r':
        return Reply(Pick(kReplies, Take()));
      case 'b':
        ++chosen_;
        return;
      case 'd':
        return EndPost(std::nullopt);
      case 'D':
        return EndPost(TakeFailure());
      case 'c':
        return EndStream(std::nullopt, "");
      case 'i':
        return EndStream(std::nullopt, "7");
      case 'C':
        return EndStream(TakeFailure(), "");
      case 'm':
        return Tell(TakeLine(), MessageOrigin::kStream);
      case 'q':
        return Tell(TakeLine(), MessageOrigin::kPost);
      case 'f':
        return Tell(kFault, MessageOrigin::kStream);
      case 'w':
        return Tell(kSubscriptionError, MessageOrigin::kStream);
      case 'o':
        return Oversize();
      case 't':
        now_.mono += Pick(kTimes, Take());
        return;
      case 'T':
        return Timer();
      case 'n':
        return PassToDeadline();
      case 'R':
        return Resume();
      case 'X':
        return Close();
      default:
        return;
    }
  }

  // The POST that a step means; nothing when none is under way.
  std::optional<PostId> ChosenPost() const {
    if (contract_.posts().empty()) return std::nullopt;
    const auto back = static_cast<std::ptrdiff_t>(chosen_ % contract_.posts().size());
    return std::next(contract_.posts().rbegin(), back)->first;
  }

  void GivePostHead(const HttpHead& head) {
    const auto post = ChosenPost();
    if (!post || contract_.posts().at(*post).head_given) return;
    contract_.PostHead(*post, head);
    Perform(session_.OnPostHead(*post, head, now_));
  }
  void EndPost(const std::optional<ConnectionFailure>& failure) {
    const auto post = ChosenPost();
    if (!post) return;
    if (!failure && !contract_.posts().at(*post).head_given) return;  // an answer begins so
    contract_.PostDone(*post);
    Perform(session_.OnPostDone(*post, failure, now_));
  }
  void GiveStreamHead(const HttpHead& head) {
    if (!contract_.stream_open() || contract_.stream_answered()) return;
    contract_.StreamHead();
    Perform(session_.OnStreamHead(head, now_));
  }
  void EndStream(const std::optional<ConnectionFailure>& failure, const std::string& event_id) {
    if (!contract_.stream_open()) return;
    if (!failure && !contract_.stream_answered()) return;
    contract_.StreamDone();
    Perform(session_.OnStreamDone(failure, event_id, now_));
  }

  // In the answer to its POST, which is then over.
  void Reply(std::string_view members) {
    const auto post = contract_.request_post();
    if (!post || contract_.posts().count(*post) == 0) return;
    if (!contract_.posts().at(*post).head_given) {
      const HttpHead head{200, "application/json", "s-1", std::nullopt};
      contract_.PostHead(*post, head);
      Perform(session_.OnPostHead(*post, head, now_));
    }
    const std::string text = R"({"jsonrpc":"2.0","id":)" + std::to_string(contract_.request_id()) +
                             "," + std::string(members) + "}";
    contract_.Messages(text);
    Perform(session_.OnMessage(text, MessageOrigin::kPost, now_));
    if (contract_.posts().count(*post) == 0) return;
    contract_.PostDone(*post);
    Perform(session_.OnPostDone(*post, std::nullopt, now_));
  }
  void Tell(std::string_view text, MessageOrigin origin) {
    if (origin == MessageOrigin::kStream) {
      if (!contract_.stream_open() || !contract_.stream_answered()) return;
    } else if (const auto post = ChosenPost(); !post || !contract_.posts().at(*post).accepted) {
      return;
    }
    if (contract_.life() != Life::kEnded) contract_.Messages(text);
    Perform(session_.OnMessage(text, origin, now_));
  }
  void Oversize() {
    if (contract_.stream_open() && contract_.stream_answered()) Perform(session_.OnOversize());
  }

  // Afterwards the next time lies ahead, or a loop would turn for ever.
  void Timer() {
    if (!session_.NextDeadline()) return;  // none is armed
    Perform(session_.OnTimer(now_));
    if (const auto next = session_.NextDeadline()) FUZZ_CHECK(*next > now_.mono);
  }
  void PassToDeadline() {
    if (const auto next = session_.NextDeadline()) now_.mono = std::max(now_.mono, *next);
    Timer();
  }
  void Resume() {
    if (contract_.life() != Life::kSuspended) return;
    contract_.Resuming();
    Perform(session_.Resume(now_));
  }
  void Close() {
    closed_ = true;
    contract_.Closing();
    Perform(session_.Close());
    contract_.Closed(session_);
    FUZZ_CHECK(session_.OnMessage(kFault, MessageOrigin::kPost, now_).empty());
    FUZZ_CHECK(session_.Close().empty());
  }

  // Nobody answers any more. What has a deadline gives up after a few of them.
  void EndInSilence() {
    constexpr int kDeadlinesAllowed = 4;
    for (int i = 0; i < kDeadlinesAllowed; ++i) PassToDeadline();
    FUZZ_CHECK(!session_.NextDeadline());
    Close();
  }

  std::string_view script_;
  Instant now_{MonoTime(std::chrono::hours(1)), WallTime(std::chrono::hours(500'000))};
  McpSession session_{McpSessionOptions{.client_version = "1"}};
  SessionContract contract_;
  std::size_t chosen_ = 0;
  bool closed_ = false;
};

}  // namespace
}  // namespace runner::ingest

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  runner::ingest::Play({reinterpret_cast<const char*>(data), size}).Run();
  return 0;
}
