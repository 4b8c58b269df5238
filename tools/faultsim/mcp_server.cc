#include "tools/faultsim/mcp_server.h"

#include <utility>

namespace runner::faultsim {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::string_view kPath = "/mcp";
constexpr std::string_view kSessionHeader = "mcp-session-id";
constexpr std::string_view kJson = "application/json";
constexpr std::string_view kEventStream = "text/event-stream";

HttpResponse Reject(int status, std::string_view why) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::string(why) + '\n'};
}

HttpResponse JsonAnswer(int status, const ordered_json& body) {
  // dump() does not throw: the parser has rejected ids that are not UTF-8.
  return {status, {{"Content-Type", std::string(kJson)}}, body.dump()};
}

HttpResponse RpcError(int code, std::string_view message) {
  return JsonAnswer(
      400,
      {{"jsonrpc", "2.0"}, {"id", nullptr}, {"error", {{"code", code}, {"message", message}}}});
}

bool Accepts(const HttpRequest& request, std::string_view type) {
  for (const auto& [name, value] : request.headers) {
    if (name != "accept") continue;
    if (value.find(type) != std::string::npos || value.find("*/*") != std::string::npos) {
      return true;
    }
  }
  return false;
}

// The cluster that is served at `path`, or nullopt.
std::optional<std::string> ClusterAt(std::string_view path, const std::string& own) {
  constexpr std::string_view kBefore = "/c/";
  if (path == kPath) return own;
  if (!path.starts_with(kBefore) || !path.ends_with(kPath)) return std::nullopt;
  if (path.size() <= kBefore.size() + kPath.size()) return std::nullopt;
  path.remove_prefix(kBefore.size());
  path.remove_suffix(kPath.size());
  if (path.find('/') != std::string_view::npos) return std::nullopt;
  return std::string(path);
}

bool IsRequestId(const json& id) { return id.is_string() || id.is_number(); }

}  // namespace

McpServer::McpServer(Streams& streams, const Clock& clock, std::string cluster)
    : streams_(streams), clock_(clock), cluster_(std::move(cluster)) {}

HttpResponse McpServer::Answer(ConnectionId connection, const HttpRequest& request) {
  if (!ClusterAt(request.path, cluster_)) return Reject(404, "the MCP endpoint is /mcp");
  const auto version = request.Header("mcp-protocol-version");
  if (version && !McpSession::KnowsVersion(*version)) {
    return Reject(400, "unknown MCP-Protocol-Version");
  }
  if (request.method == "POST") return Post(request);
  if (request.method == "GET") return Open(connection, request);
  if (request.method == "DELETE") return Delete(request);
  HttpResponse rejection = Reject(405, "method not allowed");
  rejection.headers.emplace_back("Allow", "GET, POST, DELETE");
  return rejection;
}

HttpResponse McpServer::Post(const HttpRequest& request) {
  if (!Accepts(request, kJson) || !Accepts(request, kEventStream)) {
    return Reject(406, "Accept must include application/json and text/event-stream");
  }
  if (!request.Header("content-type").value_or("").starts_with(kJson)) {
    return Reject(415, "Content-Type must be application/json");
  }
  const json message = json::parse(request.body, nullptr, /*allow_exceptions=*/false);
  if (message.is_discarded()) return RpcError(-32700, "parse error");
  if (!message.is_object() || message.value("jsonrpc", json()) != "2.0") {
    return RpcError(-32600, "not a single JSON-RPC 2.0 message");
  }
  const json method = message.value("method", json());
  const bool is_request = method.is_string() && message.contains("id");
  if (is_request && !IsRequestId(message["id"])) return RpcError(-32600, "invalid id");
  if (is_request && method == "initialize" && !request.Header(kSessionHeader)) {
    return Initialize(request.path, message);
  }
  HttpResponse rejection;
  const auto found = Find(request, rejection);
  if (found == sessions_.end()) return rejection;
  Entry& entry = found->second;
  if (!is_request) {
    if (method.is_string()) entry.session.Notice(method.get<std::string>());
    return {202, {}, {}};
  }
  const ordered_json answer = entry.session.Answer(message, clock_.Now().wall);
  UpdateAudience(entry);
  return JsonAnswer(200, answer);
}

HttpResponse McpServer::Initialize(const std::string& path, const json& request) {
  if (sessions_.size() >= kMaxSessions) return Reject(503, "too many sessions");
  const std::string id = NewSessionId();
  McpSession session(*ClusterAt(path, cluster_), next_number_++);
  sessions_.emplace(id, Entry{std::move(session), path, std::nullopt, false});
  HttpResponse response = JsonAnswer(200, McpSession::Initialize(request));
  response.headers.emplace_back("Mcp-Session-Id", id);
  return response;
}

HttpResponse McpServer::Open(ConnectionId connection, const HttpRequest& request) {
  if (!Accepts(request, kEventStream)) return Reject(406, "Accept must include text/event-stream");
  if (request.Header("last-event-id")) return Reject(400, "streams cannot be resumed");
  HttpResponse rejection;
  const auto found = Find(request, rejection);
  if (found == sessions_.end()) return rejection;
  if (found->second.stream) return Reject(409, "the session already has a stream");
  found->second.stream = connection;
  stream_owner_.emplace(connection, found->first);
  UpdateAudience(found->second);
  HttpResponse response;
  response.headers = {{"Content-Type", std::string(kEventStream)}, {"Cache-Control", "no-cache"}};
  response.stream = true;
  return response;
}

HttpResponse McpServer::Delete(const HttpRequest& request) {
  HttpResponse rejection;
  const auto found = Find(request, rejection);
  if (found == sessions_.end()) return rejection;
  if (found->second.ready) --audience_;
  if (const auto stream = found->second.stream) {
    stream_owner_.erase(*stream);
    streams_.EndStream(*stream);
  }
  sessions_.erase(found);
  return {204, {}, {}};
}

McpServer::Sessions::iterator McpServer::Find(const HttpRequest& request, HttpResponse& rejection) {
  const auto id = request.Header(kSessionHeader);
  if (!id) {
    rejection = Reject(400, "Mcp-Session-Id is missing");
    return sessions_.end();
  }
  const auto found = sessions_.find(*id);
  if (found != sessions_.end() && found->second.path == request.path) return found;
  rejection = Reject(404, "unknown session");
  return sessions_.end();
}

void McpServer::OnStreamClosed(ConnectionId connection) {
  const auto owner = stream_owner_.find(connection);
  if (owner == stream_owner_.end()) return;
  const auto found = sessions_.find(owner->second);
  stream_owner_.erase(owner);
  if (found == sessions_.end()) return;
  found->second.stream.reset();
  UpdateAudience(found->second);
}

void McpServer::UpdateAudience(Entry& entry) {
  const bool listening = entry.stream && entry.session.WantsFaults();
  if (listening == entry.ready) return;
  entry.ready = listening;
  listening ? ++audience_ : --audience_;
  if (listening && on_audience_) on_audience_();
}

std::size_t McpServer::Publish(const FaultEvent& fault) {
  for (const auto& [id, entry] : sessions_) {
    if (!entry.ready) continue;
    for (const std::string& notification : entry.session.Notifications(fault)) {
      streams_.SendEvent(*entry.stream, notification);
    }
  }
  return audience_;
}

std::string McpServer::NewSessionId() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string id;
  for (int word = 0; word < 4; ++word) {
    const std::uint32_t bits = random_();
    for (int shift = 0; shift < 32; shift += 4) id += kDigits[(bits >> shift) & 0xf];
  }
  return id;
}

}  // namespace runner::faultsim
