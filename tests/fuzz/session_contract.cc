#include "tests/fuzz/session_contract.h"

#include <algorithm>
#include <variant>

#include "tests/fuzz/fuzz_check.h"

namespace runner::ingest {
namespace {

std::optional<std::string> Header(const HttpHeaders& headers, std::string_view name) {
  FUZZ_CHECK(std::count_if(headers.begin(), headers.end(),
                           [&](const auto& header) { return header.first == name; }) <= 1);
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return std::nullopt;
}

}  // namespace

void SessionContract::Performed(const SourceActions& actions, const EventSource& source) {
  if (life_ == Life::kEnded) FUZZ_CHECK(actions.empty());
  for (const SourceAction& action : actions) {
    std::visit([this](const auto& one) { On(one); }, action);
  }
  if (closing_) return;
  CheckWaiting(source);
  if (life_ == Life::kSubscribed) FUZZ_CHECK(source.NextDeadline() && stream_open_);
  if (!actions.empty() && source.NextDeadline() && life_ == Life::kConnecting) {
    FUZZ_CHECK(request_post_.has_value());
  }
}

// A session that lives waits for something that will come or run out; a lost one for nothing.
void SessionContract::CheckWaiting(const EventSource& source) const {
  const bool lost = life_ == Life::kSuspended || life_ == Life::kEnded;
  if (lost) {
    FUZZ_CHECK(!source.NextDeadline());
    FUZZ_CHECK(!request_post_);
    FUZZ_CHECK(!stream_open_);
  } else {
    FUZZ_CHECK(source.NextDeadline() || !posts_.empty() || (stream_open_ && !stream_answered_));
  }
}

void SessionContract::Messages(std::string_view text) {
  for (const JsonRpcMessage& message : reader_.Read(text)) {
    const auto* response = std::get_if<JsonRpcResponse>(&message);
    if (response != nullptr && request_post_ && response->id == last_request_id_) {
      request_post_.reset();
      initialized_ = true;  // initialize is the first
    }
  }
}

void SessionContract::PostHead(PostId post, const HttpHead& head) {
  Post& known = posts_.at(post);
  known.head_given = true;
  known.accepted =
      head.status >= 200 && head.status < 300 &&
      (head.content_type == "application/json" || head.content_type == "text/event-stream");
  if (known.accepted && request_post_ == post && last_request_id_ == 1 && !initialized_) {
    if (!head.session_id.empty()) session_id_ = head.session_id;
  }
}

void SessionContract::Closed(const EventSource& source) {
  FUZZ_CHECK(!source.NextDeadline());
  FUZZ_CHECK(!stream_open_);
  FUZZ_CHECK(!request_post_);
  life_ = Life::kEnded;
}

void SessionContract::On(const PostMessage& action) {
  FUZZ_CHECK(action.post > last_post_);
  last_post_ = action.post;
  const auto messages = reader_.Read(action.body);
  FUZZ_CHECK(messages.size() == 1);
  FUZZ_CHECK(!std::holds_alternative<JsonRpcInvalid>(messages[0]) ||
             Json::parse(action.body).contains("id"));  // a reply to an id that is a string
  if (const auto* request = std::get_if<JsonRpcRequest>(&messages[0])) {
    FUZZ_CHECK(!request_post_);  // one at a time
    const auto id = Json::parse(request->id).get<std::int64_t>();
    FUZZ_CHECK(id > last_request_id_);
    FUZZ_CHECK((request->method == "initialize") == (last_request_id_ == 0));
    last_request_id_ = id;
    request_post_ = action.post;
  } else if (const auto* note = std::get_if<JsonRpcNotification>(&messages[0])) {
    if (note->method == "notifications/cancelled") {
      FUZZ_CHECK(Json::parse(action.body)["params"]["requestId"] != 1);  // never initialize
    }
  }
  CheckHeaders(action.headers, !initialized_);
  posts_[action.post] = Post{};
}

// It may be over already.
void SessionContract::On(const CancelPost& action) {
  FUZZ_CHECK(action.post != 0 && action.post <= last_post_);
  FUZZ_CHECK(request_post_ == action.post);
  posts_.erase(action.post);
  request_post_.reset();
}

void SessionContract::On(const OpenStream& action) {
  FUZZ_CHECK(!stream_open_);
  FUZZ_CHECK(life_ == Life::kConnecting);
  FUZZ_CHECK(initialized_);
  CheckHeaders(action.headers, false);
  stream_open_ = true;
  stream_answered_ = false;
}

void SessionContract::On(const CloseStream&) {
  FUZZ_CHECK(stream_open_);
  stream_open_ = false;
}

void SessionContract::On(const DeleteSession& action) {
  FUZZ_CHECK(!deleted_);
  FUZZ_CHECK(!session_id_.empty());
  FUZZ_CHECK(Header(action.headers, "Mcp-Session-Id") == session_id_);
  deleted_ = true;
}

// A fault may still come while a lost session answers for the rest of a batch or of a POST.
void SessionContract::On(const DeliverEvent& action) {
  if (const auto* fault = std::get_if<FaultEvent>(&action.event)) {
    FUZZ_CHECK(fault->cluster.empty());
  }
}

void SessionContract::On(const Subscribed& action) {
  FUZZ_CHECK(life_ == Life::kConnecting);
  FUZZ_CHECK(stream_open_ && stream_answered_);
  FUZZ_CHECK(action.session_id == session_id_);
  life_ = Life::kSubscribed;
}

void SessionContract::On(const ConnectionLost& action) {
  FUZZ_CHECK(life_ == Life::kConnecting || life_ == Life::kSubscribed);  // told once
  FUZZ_CHECK(!action.failure.detail.empty());
  FUZZ_CHECK(!action.resumable || life_ == Life::kSubscribed);
  FUZZ_CHECK(!closing_);
  life_ = action.resumable ? Life::kSuspended : Life::kEnded;
}

void SessionContract::On(const SourceWarning& action) {
  FUZZ_CHECK(!action.message.empty());
  FUZZ_CHECK(action.detail.size() <= 1000);
}

void SessionContract::CheckHeaders(const HttpHeaders& headers, bool initializing) const {
  const auto session = Header(headers, "Mcp-Session-Id");
  FUZZ_CHECK(session.value_or("") == session_id_ || initializing);
  FUZZ_CHECK(Header(headers, "MCP-Protocol-Version").has_value() == initialized_);
}

}  // namespace runner::ingest
