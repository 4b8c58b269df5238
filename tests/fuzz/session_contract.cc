#include "tests/fuzz/session_contract.h"

#include <algorithm>
#include <variant>

#include "tests/fuzz/fault_check.h"
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

void SessionContract::Performed(const McpActions& actions, const McpProtocol& protocol) {
  for (const McpAction& action : actions) {
    FUZZ_CHECK(life_ != Life::kEnded);
    std::visit([this](const auto& one) { On(one); }, action);
  }
  if (request_post_ && batch_.contains(last_request_id_) && !protocol.Awaits(*request_post_)) {
    request_post_.reset();  // a later message of the batch was the reply
  }
  batch_.clear();
  if (closing_) return;
  CheckWaiting(protocol);
  if (life_ == Life::kConnecting && protocol.NextDeadline()) {
    const bool awaits_endpoint = legacy_ && endpoint_.empty() && stream_open_;
    FUZZ_CHECK(request_post_.has_value() != awaits_endpoint);
  }
}

// A live session waits for an input or a deadline; a lost one for nothing.
void SessionContract::CheckWaiting(const McpProtocol& protocol) const {
  if (life_ == Life::kSuspended || life_ == Life::kEnded) {
    FUZZ_CHECK(!protocol.NextDeadline());
    FUZZ_CHECK(!request_post_);
    FUZZ_CHECK(!stream_open_);
    return;
  }
  for (const auto& [id, post] : posts_) FUZZ_CHECK(protocol.Awaits(id) == (request_post_ == id));
  FUZZ_CHECK(!request_post_ || protocol.Awaits(*request_post_));
  const bool stream_to_come = stream_open_ && !stream_answered_;
  if (life_ == Life::kConnecting) {
    FUZZ_CHECK(protocol.NextDeadline() || !posts_.empty() || stream_to_come);
  } else if (polls()) {
    FUZZ_CHECK(protocol.NextDeadline());
    FUZZ_CHECK(stream_open_ || !legacy_);
  } else {
    FUZZ_CHECK(stream_open_);
    FUZZ_CHECK(protocol.NextDeadline() || stream_to_come);
  }
}

void SessionContract::Messages(std::string_view text) {
  for (const JsonRpcMessage& message : options_.reader->Read(text)) {
    const auto* response = std::get_if<JsonRpcResponse>(&message);
    if (response == nullptr) continue;
    batch_.insert(response->id);
    if (!request_post_ || response->id != last_request_id_) continue;
    request_post_.reset();
    initialized_ = true;  // initialize is the first
  }
}

void SessionContract::PostHead(PostId post, const HttpHead& head) {
  Post& known = posts_.at(post);
  known.head_given = true;
  known.accepted = head.status >= 200 && head.status < 300;
  known.is_stream = known.accepted && head.content_type == "text/event-stream";
  const bool holds_reply = known.is_stream || head.content_type == "application/json";
  if (known.accepted && holds_reply && request_post_ == post && !initialized_ && !legacy_) {
    if (!head.session_id.empty()) session_id_ = head.session_id;
  }
}

void SessionContract::Endpoint(const std::string& url) {
  if (legacy_ && endpoint_.empty()) endpoint_ = url;
}

void SessionContract::StreamDone(const std::string& last_event_id) {
  stream_open_ = false;
  if (!last_event_id.empty()) last_event_id_ = last_event_id;
}

void SessionContract::Closed(const McpProtocol& protocol) {
  FUZZ_CHECK(!protocol.NextDeadline());
  FUZZ_CHECK(!stream_open_);
  FUZZ_CHECK(!request_post_);
  FUZZ_CHECK(deleted_ || session_id_.empty() || life_ == Life::kEnded);
  life_ = Life::kEnded;
}

void SessionContract::On(const PostMessage& action) {
  FUZZ_CHECK(action.post > last_post_);
  last_post_ = action.post;
  const auto messages = options_.reader->Read(action.body);
  FUZZ_CHECK(messages.size() == 1);
  FUZZ_CHECK(!std::holds_alternative<JsonRpcInvalid>(messages[0]) ||
             Json::parse(action.body).contains("id"));  // a reply to an id that is a string
  if (const auto* request = std::get_if<JsonRpcRequest>(&messages[0])) {
    OnRequest(*request, action);
  } else if (const auto* note = std::get_if<JsonRpcNotification>(&messages[0])) {
    if (note->method == "notifications/cancelled") {
      FUZZ_CHECK(Json::parse(action.body)["params"]["requestId"] != initialize_id_);
    }
  }
  CheckHeaders(action.headers, !initialized_);
  FUZZ_CHECK(legacy_ == !endpoint_.empty());  // nothing is posted before the endpoint is known
  FUZZ_CHECK(action.url == endpoint_);
  posts_[action.post] = Post{};
}

void SessionContract::OnRequest(const JsonRpcRequest& request, const PostMessage& action) {
  FUZZ_CHECK(!request_post_ || batch_.contains(last_request_id_));  // one at a time
  const auto id = Json::parse(request.id).get<std::int64_t>();
  FUZZ_CHECK(id > last_request_id_);
  FUZZ_CHECK((request.method == "initialize") == !initialized_);
  if (!initialized_) initialize_id_ = id;
  last_request_id_ = id;
  request_post_ = action.post;
  const Json body = Json::parse(action.body);
  lists_events_ =
      request.method == "tools/call" && body["params"].value("name", "") == "events_list";
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
  FUZZ_CHECK(life_ == Life::kConnecting || life_ == Life::kSubscribed);
  FUZZ_CHECK(action.carries_replies || !legacy_);
  legacy_ = action.carries_replies;
  if (legacy_) {
    FUZZ_CHECK(options_.transport != Transport::kStreamableHttp);
    FUZZ_CHECK(!initialized_ && session_id_.empty());
    FUZZ_CHECK(endpoint_.empty());  // the stream is the session: there is no second
  } else {
    FUZZ_CHECK(options_.transport != Transport::kSse);
    FUZZ_CHECK(initialized_);
  }
  CheckHeaders(action.headers, false);
  const std::string after = Header(action.headers, "Last-Event-ID").value_or("");
  FUZZ_CHECK(after.empty() || after == last_event_id_);
  stream_open_ = true;
  stream_answered_ = false;
  activity_ = {};
}

void SessionContract::On(const CloseStream&) {
  FUZZ_CHECK(stream_open_);
  stream_open_ = false;
}

void SessionContract::On(const DeleteSession& action) {
  FUZZ_CHECK(!deleted_);
  FUZZ_CHECK(!session_id_.empty() && !legacy_);
  FUZZ_CHECK(Header(action.headers, "Mcp-Session-Id") == session_id_);
  deleted_ = true;
}

// A fault may still come while a lost session answers for the rest of a batch or of a POST.
void SessionContract::On(const DeliverEvent& action) {
  ++delivered_;
  CheckDecoded(action.event);
  if (action.backfilled) FUZZ_CHECK(options_.backfill && life_ == Life::kSubscribed && !polls());
}

void SessionContract::On(const Subscribed& action) {
  FUZZ_CHECK(life_ == Life::kConnecting);
  FUZZ_CHECK(initialized_);
  FUZZ_CHECK(action.session_id == session_id_);
  FUZZ_CHECK((action.transport == Transport::kSse) == legacy_);
  FUZZ_CHECK(action.transport != Transport::kAuto);
  const bool of_auto = action.mode == McpMode::kFaults || action.mode == McpMode::kPoll;
  FUZZ_CHECK(options_.mode == McpMode::kAuto ? of_auto : action.mode == options_.mode);
  FUZZ_CHECK(mode_ == McpMode::kAuto || action.mode == mode_);
  mode_ = action.mode;
  FUZZ_CHECK((stream_open_ && stream_answered_) || (polls() && !legacy_));
  life_ = Life::kSubscribed;
}

void SessionContract::On(const ConnectionLost& action) {
  FUZZ_CHECK(life_ == Life::kConnecting || life_ == Life::kSubscribed);  // reported once
  FUZZ_CHECK(!action.failure.detail.empty());
  FUZZ_CHECK(!action.resumable || (life_ == Life::kSubscribed && !polls() && !legacy_));
  FUZZ_CHECK(!closing_);
  life_ = action.resumable ? Life::kSuspended : Life::kEnded;
}

void SessionContract::On(const McpWarning& action) {
  FUZZ_CHECK(!action.message.empty());
  FUZZ_CHECK(action.detail.size() <= 1000);
}

void SessionContract::On(const EntriesDropped& action) { FUZZ_CHECK(action.count > 0); }

void SessionContract::CheckHeaders(const HttpHeaders& headers, bool initializing) const {
  if (legacy_) {
    FUZZ_CHECK(headers.empty());  // it knows neither of them
    return;
  }
  const auto session = Header(headers, "Mcp-Session-Id");
  FUZZ_CHECK(session.value_or("") == session_id_ || initializing);
  // What came before the reply to initialize in a batch is answered without a version.
  const bool just_now = batch_.contains(initialize_id_);
  FUZZ_CHECK(Header(headers, "MCP-Protocol-Version").has_value() == initialized_ || just_now);
}

}  // namespace runner::ingest
