#include "tests/fuzz/played_session.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <memory>
#include <utility>

#include "tests/fuzz/fuzz_check.h"

namespace runner::ingest {
namespace {

using Life = SessionContract::Life;

constexpr std::size_t kMaxRemembered = 20'000;  // of events, whatever was listed

}  // namespace

PlayedSession::PlayedSession(McpSessionOptions options) : options_(std::move(options)) { Begin(); }

void PlayedSession::Begin() {
  session_ = std::make_unique<McpSession>(options_, history_);
  contract_.emplace(options_);
  Perform(session_->Start(now_));
}

void PlayedSession::Perform(const McpActions& actions) {
  contract_->Performed(actions, *session_);
  FUZZ_CHECK(history_.remembered() <= kMaxRemembered);
  // A backfill of a session in push mode drops what a poll would still know.
  if (contract_->life() == Life::kSubscribed && !contract_->polls()) list_.reset();
}

// --- POSTs ------------------------------------------------------------------------------------

// The POST that a step means; nothing when none is under way.
std::optional<PostId> PlayedSession::ChosenPost() const {
  if (contract_->posts().empty()) return std::nullopt;
  const auto back = static_cast<std::ptrdiff_t>(chosen_ % contract_->posts().size());
  return std::next(contract_->posts().rbegin(), back)->first;
}

bool PlayedSession::UnderWay(std::optional<PostId> post) const {
  return post && contract_->posts().count(*post) > 0;
}

void PlayedSession::GivePostHead(const HttpHead& head) {
  const auto post = ChosenPost();
  if (post && !contract_->posts().at(*post).head_given) GiveHead(*post, head);
}

void PlayedSession::GiveHead(PostId post, const HttpHead& head) {
  contract_->PostHead(post, head);
  Perform(session_->OnPostHead(post, head, now_));
}

void PlayedSession::ResumePost() {
  const auto post = contract_->request_post();
  if (UnderWay(post) && contract_->posts().at(*post).is_stream) contract_->PostResumed(*post);
}

void PlayedSession::EndPost(const std::optional<ConnectionFailure>& failure) {
  const auto post = ChosenPost();
  if (!post) return;
  if (!failure && !contract_->posts().at(*post).head_given) return;  // an answer begins so
  EndPost(*post, failure);
}

void PlayedSession::EndPost(PostId post, const std::optional<ConnectionFailure>& failure) {
  contract_->PostDone(post);
  Perform(session_->OnPostDone(post, failure, now_));
}

void PlayedSession::Reply(char name) { Reply(ReplyNamed(name, now_.wall)); }

void PlayedSession::Reply(const ScriptedReply& reply) {
  const auto post = contract_->request_post();
  if (!UnderWay(post)) return;
  if (!contract_->posts().at(*post).head_given) {
    GiveHead(*post, {200, "application/json", "s-1", std::nullopt});
  }
  GiveReply(reply, MessageOrigin::kPost);
  if (UnderWay(post)) EndPost(*post, std::nullopt);
}

void PlayedSession::ReplyOnStream(char name) {
  if (!contract_->request_post() || !StreamRuns()) return;
  GiveReply(ReplyNamed(name, now_.wall), MessageOrigin::kStream);
}

void PlayedSession::GiveReply(const ScriptedReply& reply, MessageOrigin origin) {
  const bool listed = reply.is_list && contract_->lists_events();
  const std::string id = std::to_string(contract_->request_id());
  GiveMessage(R"({"jsonrpc":"2.0","id":)" + id + "," + reply.members + "}", origin);
  if (listed && contract_->polls()) list_ = reply;
}

void PlayedSession::ReplyOnceMore() {
  if (!list_ || !contract_->request_post() || !contract_->lists_events()) return;
  const ScriptedReply same = *list_;
  const std::size_t before = contract_->delivered();
  Reply(same);
  if (contract_->polls()) FUZZ_CHECK(contract_->delivered() == before);
}

// --- the stream -------------------------------------------------------------------------------

void PlayedSession::GiveStreamHead(const HttpHead& head) {
  if (!contract_->stream_open() || contract_->stream_answered()) return;
  contract_->StreamHead();
  Perform(session_->OnStreamHead(head, now_));
}

void PlayedSession::EndStream(const std::optional<ConnectionFailure>& failure,
                              const std::string& event_id) {
  if (!contract_->stream_open()) return;
  if (!failure && !contract_->stream_answered()) return;
  contract_->StreamDone(event_id);
  Perform(session_->OnStreamDone(failure, event_id, now_));
}

void PlayedSession::SendEndpoint(const std::optional<std::string>& url) {
  if (!StreamRuns()) return;
  if (url) contract_->Endpoint(*url);
  Perform(session_->OnEndpoint(url, now_));
}

void PlayedSession::SendOversize() {
  if (StreamRuns()) Perform(session_->OnOversize());
}

void PlayedSession::SendEndlessLine() {
  if (!StreamRuns()) return;
  contract_->EndlessLine();
  Perform(session_->OnEndlessLine(now_));
}

void PlayedSession::ShowActivity(Activity activity) {
  if (!StreamRuns()) return;
  StreamActivity& shown = contract_->activity();
  if (activity == Activity::kComment) ++shown.comments;
  if (activity == Activity::kEventBegins) shown.mid_event = true;
  if (activity == Activity::kEventEnds) {
    ++shown.events;
    shown.mid_event = false;
  }
  Perform(session_->OnActivity(shown, now_));
}

void PlayedSession::Send(std::string_view text, MessageOrigin origin) {
  if (origin == MessageOrigin::kStream) {
    if (!StreamRuns()) return;
  } else if (const auto post = ChosenPost(); !post || !contract_->posts().at(*post).accepted) {
    return;
  }
  GiveMessage(text, origin);
}

void PlayedSession::GiveMessage(std::string_view text, MessageOrigin origin) {
  const bool asked = contract_->lists_events() && contract_->request_post();
  const std::int64_t id = contract_->request_id();
  if (contract_->life() != Life::kEnded) contract_->Messages(text);
  const bool answered = asked && !contract_->request_post();
  Perform(session_->OnMessage(text, origin, now_));
  const bool answered_at_once =
      contract_->request_id() != id && contract_->lists_events() && !contract_->request_post();
  // The reply, whatever it was, may have counted as an empty list.
  if (answered || answered_at_once) list_.reset();
}

// --- time -------------------------------------------------------------------------------------

void PlayedSession::Pass(Duration time) {
  now_.mono += time;
  now_.wall += Wall(time);
}

// After everything that is due, the next deadline lies ahead; otherwise a loop would spin.
void PlayedSession::Timer() {
  constexpr int kDueAtOnce = 4;
  for (int i = 0; session_->NextDeadline(); ++i) {
    FUZZ_CHECK(i < kDueAtOnce);
    TimerOnce();
    if (const auto next = session_->NextDeadline(); next && *next > now_.mono) return;
  }
}

// The silence of a stream without keepalives is no failure.
void PlayedSession::TimerOnce() {
  const StreamActivity activity = contract_->activity();
  const bool is_well = contract_->life() == Life::kSubscribed && !contract_->request_post() &&
                       activity.comments < 2 && !activity.mid_event;
  Perform(session_->OnTimer(now_));
  if (is_well) FUZZ_CHECK(contract_->life() == Life::kSubscribed);
}

void PlayedSession::PassToDeadline() {
  if (const auto next = session_->NextDeadline()) Pass(std::max(*next, now_.mono) - now_.mono);
  Timer();
}

// --- beginning and end ------------------------------------------------------------------------

void PlayedSession::Resume() {
  if (contract_->life() != Life::kSuspended) return;
  contract_->Resuming();
  Perform(session_->Resume(now_));
}

void PlayedSession::BeginAnother() {
  if (contract_->life() == Life::kEnded) Begin();
}

void PlayedSession::Close() {
  closed_ = true;
  contract_->Closing();
  Perform(session_->Close(now_));
  contract_->Closed(*session_);
  FUZZ_CHECK(session_->OnMessage(kFaultNotification, MessageOrigin::kPost, now_).empty());
  FUZZ_CHECK(session_->Close(now_).empty());
}

void PlayedSession::EndInSilence() {
  constexpr int kDeadlinesAllowed = 6;
  for (int i = 0; i < kDeadlinesAllowed; ++i) PassToDeadline();
  FUZZ_CHECK(!session_->NextDeadline());
  Close();
}

}  // namespace runner::ingest
