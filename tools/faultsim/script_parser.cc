#include "tools/faultsim/script_parser.h"

#include <fstream>
#include <initializer_list>
#include <sstream>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "tools/faultsim/script_reader.h"

namespace runner::faultsim {
namespace {

constexpr std::uint64_t kMaxCount = std::uint64_t{1} << 50;
constexpr std::uint64_t kMaxMilliseconds = 86'400'000;
constexpr std::uint64_t kMaxPiece = 1024 * 1024;
constexpr int kMaxNesting = 16;

constexpr const char* kFloodData =
    R"({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"warning",)"
    R"("logger":"kubernetes/faults","data":{"subscriptionId":"sub-flood","cluster":"simulated",)"
    R"("faultId":"flood-{n}","faultType":"CrashLoop","severity":"critical","resource":)"
    R"({"apiVersion":"v1","kind":"Pod","name":"pod-{n}","namespace":"default","uid":"uid-{n}"}}}})";

Steps ReadSteps(const ScriptReader& value, int nesting);

HttpResponse ReadResponse(const ScriptReader& value, std::uint64_t default_status) {
  HttpResponse response;
  response.status = static_cast<int>(value.NumberOr("status", default_status, 200, 999));
  if (const auto headers = value.Find("headers")) {
    for (const auto& header : headers->Members()) {
      response.headers.emplace_back(header.key(), header.Bytes());
    }
  }
  return response;
}

Step ReadRespond(const ScriptReader& value) {
  value.Allow({"status", "headers", "body"});
  HttpResponse response = ReadResponse(value, 200);
  if (const auto body = value.Find("body")) response.body = body->Bytes();
  return {step::Respond{std::move(response)}};
}

Step ReadStream(const ScriptReader& value) {
  value.Allow({"status", "headers"});
  HttpResponse response = ReadResponse(value, 200);
  response.headers.insert(response.headers.begin(), {"Content-Type", "text/event-stream"});
  response.stream = true;
  return {step::Respond{std::move(response)}};
}

Step ReadRedirect(const ScriptReader& value) {
  HttpResponse response;
  response.status = 307;
  if (value.IsString()) {
    response.headers.emplace_back("Location", value.Bytes());
    return {step::Respond{std::move(response)}};
  }
  value.Allow({"status", "to"});
  response.status = static_cast<int>(value.NumberOr("status", 307, 300, 399));
  response.headers.emplace_back("Location", value.Get("to").Bytes());
  return {step::Respond{std::move(response)}};
}

Step ReadEvent(const ScriptReader& value) {
  value.Allow({"event", "id", "retry", "data"});
  std::string text;
  for (const char* field : {"event", "id", "retry"}) {
    if (const auto found = value.Find(field)) {
      text.append(field).append(": ").append(found->Text()).append("\n");
    }
  }
  if (const auto data = value.Find("data")) {
    const std::string event = EventText(data->Text());
    text += event.substr(event.find('\n') + 1);  // without the event line of EventText
  } else {
    text += '\n';
  }
  return {step::Send{std::move(text), true}};
}

Step ReadFill(const ScriptReader& value) {
  value.Allow({"bytes", "with"});
  step::Fill fill;
  fill.count = value.NumberOr("bytes", step::kForEver, 1, kMaxCount);
  fill.with = "x";
  if (const auto with = value.Find("with")) fill.with = with->Bytes();
  if (fill.with.empty()) value.Get("with").Fail("must not be empty");
  return {std::move(fill)};
}

Step ReadFlood(const ScriptReader& value) {
  value.Allow({"count", "data"});
  step::Flood flood;
  flood.count = value.NumberOr("count", step::kForEver, 1, kMaxCount);
  flood.data = kFloodData;
  if (const auto data = value.Find("data")) flood.data = data->Text();
  return {std::move(flood)};
}

Step ReadPace(const ScriptReader& value) {
  value.Allow({"bytes", "ms"});
  Pace pace;
  pace.bytes = value.Get("bytes").Number(0, kMaxPiece);
  pace.pause = std::chrono::milliseconds(value.NumberOr("ms", 0, 0, kMaxMilliseconds));
  return {step::SetPace{pace}};
}

Step ReadRepeat(const ScriptReader& value, int nesting) {
  value.Allow({"times", "steps"});
  step::Repeat repeat;
  repeat.times = value.NumberOr("times", step::kForEver, 1, kMaxCount);
  repeat.steps = ReadSteps(value.Get("steps"), nesting + 1);
  return {std::move(repeat)};
}

Step ReadBareStep(const ScriptReader& value) {
  const std::string name = value.Bytes();
  if (name == "serve") return {step::Serve{}};
  if (name == "end") return {step::End{}};
  if (name == "stall") return {step::Stall{}};
  if (name == "mute") return {step::Mute{}};
  if (name == "half_close") return {step::HalfClose{}};
  if (name == "close") return {step::Close{}};
  if (name == "reset") return {step::Reset{}};
  if (name == "stream") {
    return {step::Respond{{200, {{"Content-Type", "text/event-stream"}}, {}, true}}};
  }
  value.Fail("unknown step '" + name +
             "'; expected serve, stream, end, stall, mute, half_close, close or reset");
}

Step ReadStep(const ScriptReader& value, int nesting) {
  if (value.IsString()) return ReadBareStep(value);
  const auto members = value.Members();
  if (members.size() != 1) value.Fail("must be a word or an object with one key");
  const ScriptReader& what = members.front();
  const std::string& name = what.key();
  if (name == "send") return {step::Send{what.Bytes(), false}};
  if (name == "write") return {step::Send{what.Bytes(), true}};
  if (name == "comment") return {step::Send{':' + what.Bytes() + "\n\n", true}};
  if (name == "respond") return ReadRespond(what);
  if (name == "stream") return ReadStream(what);
  if (name == "redirect") return ReadRedirect(what);
  if (name == "event") return ReadEvent(what);
  if (name == "fill") return ReadFill(what);
  if (name == "flood") return ReadFlood(what);
  if (name == "pace") return ReadPace(what);
  if (name == "chunk") return {step::ChunkSize{what.Number(1, kMaxPiece)}};
  if (name == "wait") {
    return {step::Wait{std::chrono::milliseconds(what.Number(0, kMaxMilliseconds))}};
  }
  if (name == "repeat") return ReadRepeat(what, nesting);
  what.Fail(
      "unknown step; expected send, write, comment, respond, stream, redirect, "
      "event, fill, flood, pace, chunk, wait or repeat");
}

Steps ReadSteps(const ScriptReader& value, int nesting) {
  if (nesting > kMaxNesting) value.Fail("too many nested repeats");
  Steps steps;
  for (const ScriptReader& element : value.Elements()) steps.push_back(ReadStep(element, nesting));
  if (steps.empty()) value.Fail("must not be empty");
  return steps;
}

Match ReadMatch(const ScriptReader& value) {
  value.Allow({"method", "path", "rpc", "tool", "nth", "from", "to", "per"});
  Match match;
  if (const auto method = value.Find("method")) match.method = method->Text();
  if (const auto path = value.Find("path")) match.path = path->Text();
  if (const auto rpc = value.Find("rpc")) match.rpc = rpc->Text();
  if (const auto tool = value.Find("tool")) match.tool = tool->Text();
  match.from = value.NumberOr("from", 1, 1, kMaxCount);
  match.to = value.NumberOr("to", step::kForEver, 1, kMaxCount);
  if (match.to < match.from) value.Get("to").Fail("must not be less than from");
  if (const auto nth = value.Find("nth")) {
    if (value.Find("from") || value.Find("to")) nth->Fail("cannot be combined with from or to");
    match.from = match.to = nth->Number(1, kMaxCount);
  }
  if (const auto per = value.Find("per")) {
    match.per_session = per->Text() == "session";
    if (!match.per_session && per->Text() != "server") per->Fail("must be session or server");
  }
  return match;
}

}  // namespace

Script ParseScript(std::string_view text) {
  nlohmann::ordered_json document;
  try {
    document = nlohmann::ordered_json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    throw ScriptError(std::string("invalid JSON: ") + error.what());
  }
  const ScriptReader root(document, "script");
  root.Allow({"rules"});
  Script script;
  for (const ScriptReader& unnamed : root.Get("rules").Elements()) {
    Rule rule;
    ScriptReader value = unnamed;
    if (const auto name = value.Find("name")) value = value.Called(rule.name = name->Text());
    value.Allow({"name", "match", "steps"});
    if (const auto match = value.Find("match")) rule.match = ReadMatch(*match);
    rule.steps = std::make_shared<const Steps>(ReadSteps(value.Get("steps"), 0));
    script.rules.push_back(std::move(rule));
  }
  return script;
}

Script LoadScript(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) throw ScriptError(file.string() + ": cannot be read");
  try {
    return ParseScript(text.str());
  } catch (const ScriptError& error) {
    throw ScriptError(file.string() + ": " + error.what());
  }
}

}  // namespace runner::faultsim
