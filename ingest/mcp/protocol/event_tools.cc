#include "ingest/mcp/protocol/event_tools.h"

#include <algorithm>

#include "common/base/utf8.h"

namespace runner::ingest {
namespace {

constexpr std::array<EventTool, kEventToolCount> kAll = {
    EventTool::kSubscribe, EventTool::kUnsubscribe, EventTool::kListSubscriptions,
    EventTool::kList};
// Names with the same suffix that are kept.
constexpr std::size_t kMaxCandidates = 8;

}  // namespace

std::string_view DefaultName(EventTool tool) {
  constexpr std::array<std::string_view, kEventToolCount> kNames = {
      "events_subscribe", "events_unsubscribe", "events_list_subscriptions", "events_list"};
  return kNames[static_cast<std::size_t>(tool)];
}

EventToolNames::EventToolNames(const std::string& subscribe, const std::string& list) {
  const std::string_view suffix = DefaultName(EventTool::kSubscribe);
  const std::string prefix =
      subscribe.ends_with(suffix) ? subscribe.substr(0, subscribe.size() - suffix.size()) : "";
  for (const EventTool tool : kAll) At(tool).name = prefix + std::string(DefaultName(tool));
  const auto configure = [this](EventTool tool, const std::string& name) {
    if (name.empty()) return;
    At(tool).name = name;
    At(tool).configured = true;
  };
  configure(EventTool::kSubscribe, subscribe);
  configure(EventTool::kList, list);
}

void EventToolNames::Add(const std::vector<std::string>& offered) {
  for (const std::string& name : offered) {
    for (const EventTool tool : kAll) {
      Tool& one = At(tool);
      if (name == one.name) one.offered = true;
      if (name.ends_with(DefaultName(tool)) && one.candidates.size() < kMaxCandidates) {
        one.candidates.push_back(name);
      }
    }
  }
}

void EventToolNames::Resolve() {
  resolved_ = true;
  for (const EventTool tool : kAll) {
    Tool& one = At(tool);
    if (one.configured || one.offered) continue;
    const auto exact = std::find(one.candidates.begin(), one.candidates.end(), DefaultName(tool));
    if (exact == one.candidates.end() && one.candidates.size() != 1) continue;
    one.name = exact == one.candidates.end() ? one.candidates.front() : *exact;
    one.offered = true;
  }
}

std::string EventToolNames::WhyNot(EventTool tool) const {
  const Tool& one = At(tool);
  const std::string option = tool == EventTool::kList ? "events_tool" : "subscribe_tool";
  if (one.configured) {
    return "the server offers no tool " + one.name + "; check " + option + " of the cluster";
  }
  if (one.candidates.empty()) {
    return "the server offers no tool whose name ends in " + std::string(DefaultName(tool)) +
           (tool == EventTool::kList
                ? "; check that it is a kubernetes-mcp-server with its core tools, or set " + option
                : "; use mode auto or poll, or set " + option);
  }
  std::string names;
  for (const std::string& name : one.candidates) names += (names.empty() ? "" : ", ") + name;
  return "the server offers several tools whose names end in " + std::string(DefaultName(tool)) +
         " (" + TruncateUtf8(SanitizeUtf8(names), 200) + "); set " + option + " of the cluster";
}

}  // namespace runner::ingest
