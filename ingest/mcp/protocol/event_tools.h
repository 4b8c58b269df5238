#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace runner::ingest {

// The tools of a kubernetes-mcp-server that concern events.
enum class EventTool { kSubscribe, kUnsubscribe, kListSubscriptions, kList };
constexpr std::size_t kEventToolCount = 4;

std::string_view DefaultName(EventTool tool);

// The names of those tools at a server. A gateway in front of the server may have renamed
// them, as in `k8s_events_list`. A configured name counts; else the default name if the server
// offers it, else the one offered name that ends in the default name. Pure; not thread-safe.
class EventToolNames {
 public:
  // Names as configured; empty: not configured. A prefix of `subscribe` counts for the other tools
  // as well, until the server has listed its own.
  EventToolNames(const std::string& subscribe, const std::string& list);

  // A page of tools/list.
  void Add(const std::vector<std::string>& offered);
  // All pages are known.
  void Resolve();

  bool resolved() const { return resolved_; }
  // The name to call. Before Resolve, the best guess.
  const std::string& Of(EventTool tool) const { return At(tool).name; }
  // After Resolve: whether the server offers the tool.
  bool Offers(EventTool tool) const { return At(tool).offered; }
  // After Resolve, for an error text: why a tool is not offered.
  std::string WhyNot(EventTool tool) const;

 private:
  struct Tool {
    std::string name;
    bool configured = false;
    bool offered = false;
    std::vector<std::string> candidates;  // offered names that end in the default name
  };
  const Tool& At(EventTool tool) const { return tools_[static_cast<std::size_t>(tool)]; }
  Tool& At(EventTool tool) { return tools_[static_cast<std::size_t>(tool)]; }

  std::array<Tool, kEventToolCount> tools_;
  bool resolved_ = false;
};

}  // namespace runner::ingest
