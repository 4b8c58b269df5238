#include "executor/core/ingest_session.h"

#include <iterator>
#include <utility>
#include <variant>

#include "executor/core/time_budget.h"

namespace runner::executor {
namespace {

constexpr std::size_t kMaxUnanswered = 20'000;  // keep-alives; those of a day

}  // namespace

IngestSession::IngestSession(std::string address, IngestChannel& channel, Timers& timers,
                             IngestSessionListener& listener, std::function<double()> random,
                             Logger logger)
    : address_(std::move(address)),
      channel_(channel),
      timers_(timers),
      listener_(listener),
      random_(std::move(random)),
      logger_(std::move(logger)) {}

IngestSession::~IngestSession() {
  for (const auto timer : {retry_timer_, welcome_timer_, keep_alive_timer_, close_timer_}) {
    timers_.Cancel(timer);
  }
}

void IngestSession::Dial() {
  open_ = true;
  dialled_at_ = timers_.Now().mono;
  channel_.Open(listener_.MakeHello(), *this);
  welcome_timer_ = timers_.After(time_budget::kWelcome, [this] { channel_.Cancel(); });
}

void IngestSession::Send(dispatch::ExecutorMessage message) {
  if (attached()) channel_.Send(std::move(message));
}

void IngestSession::Close(Duration limit, std::function<void()> closed) {
  closing_ = true;
  timers_.Cancel(retry_timer_);
  if (!open_) {
    closed();
    return;
  }
  closed_ = std::move(closed);
  if (attached()) {
    channel_.Close();
    close_timer_ = timers_.After(limit, [this] { channel_.Cancel(); });
  } else {
    channel_.Cancel();
  }
}

void IngestSession::OnMessage(const dispatch::IngestMessage& message) {
  if (!refused_.empty()) return;  // the stream is already being cancelled
  if (!attached()) {
    const auto* welcome = std::get_if<dispatch::Welcome>(&message);
    if (welcome == nullptr) return;
    if (auto why = listener_.WhyNotAttach(*welcome)) return Refuse(*std::move(why));
    OnWelcome(*welcome);
  }
  if (const auto* ack = std::get_if<dispatch::KeepAliveAck>(&message)) OnKeepAliveAck(ack->seq);
  listener_.OnMessage(message);
}

void IngestSession::OnWelcome(const dispatch::Welcome& welcome) {
  timers_.Cancel(welcome_timer_);
  backoff_.Reset();
  last_error_.clear();
  confirmed_at_ = dialled_at_;
  attached_.store(true, std::memory_order_relaxed);
  keep_alive_interval_ = welcome.keep_alive_interval;
  lease_ttl_ = welcome.lease_ttl;
  if (keep_alive_interval_ > Duration::zero()) {
    keep_alive_timer_ = timers_.After(keep_alive_interval_, [this] { SendKeepAlive(); });
  }
  logger_.Info("Attached to ingest", {{"ingest_id", welcome.ingest_id}});
}

void IngestSession::Refuse(std::string why) {
  refused_ = std::move(why);
  channel_.Cancel();
}

void IngestSession::OnEnded(bool superseded, const std::string& error) {
  timers_.Cancel(welcome_timer_);
  timers_.Cancel(keep_alive_timer_);
  timers_.Cancel(close_timer_);
  open_ = false;
  unanswered_.clear();
  const std::string refused = std::exchange(refused_, "");
  const std::string& why = refused.empty() ? error : refused;
  const bool was_attached = attached_.exchange(false);
  closing_ = closing_ || superseded;
  const Duration delay = backoff_.Next(random_());
  if (!closing_ && (was_attached || last_error_ != why)) {
    last_error_ = why;  // one log line for each new cause
    logger_.Warn("Not attached to ingest, retrying", {{"error", why}, {"retry_in", delay}});
  }
  if (!closing_) retry_timer_ = timers_.After(delay, [this] { Dial(); });
  if (was_attached) listener_.OnDetached(superseded);
  if (const auto closed = std::exchange(closed_, nullptr)) closed();
}

void IngestSession::SendKeepAlive() {
  // A TCP connection may stay open although ingest does not respond: the stream is replaced, and
  // `unanswered_` stays bounded.
  const bool silent = !unanswered_.empty() && lease_ttl_ > Duration::zero() &&
                      timers_.Now().mono - unanswered_.begin()->second >= lease_ttl_;
  if (silent || unanswered_.size() >= kMaxUnanswered) {
    return Refuse("--ingest-address " + address_ +
                  ": ingest has not answered a keep-alive in time");
  }
  unanswered_[++keep_alives_] = timers_.Now().mono;
  Send(dispatch::KeepAlive{keep_alives_});
  keep_alive_timer_ = timers_.After(keep_alive_interval_, [this] { SendKeepAlive(); });
}

// The answer may have waited to be read, so it only proves that ingest was alive when the
// keep-alive was sent.
void IngestSession::OnKeepAliveAck(std::uint64_t seq) {
  const auto sent = unanswered_.find(seq);
  if (sent == unanswered_.end()) return;
  confirmed_at_ = sent->second;
  unanswered_.erase(unanswered_.begin(), std::next(sent));
}

}  // namespace runner::executor
