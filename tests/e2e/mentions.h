#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace runner::support {

// A place under deploy/ or docs/ that mentions metrics.
struct Mention {
  std::string where;
  std::string expression;
  // Labels that the text around it uses: {{cluster}} of a legend, $labels of an alert.
  std::set<std::string> labels = {};
  // A histogram may be named without the suffix of its series.
  bool prose = false;
};

// deploy/monitoring/dashboard.json.
nlohmann::json ReadDashboard();
// The panels without the rows.
std::vector<nlohmann::json> PanelsOf(const nlohmann::json& dashboard);
// Replaces the variables of Grafana by values that match a machine without Kubernetes.
std::string WithoutVariables(std::string expression);
// The labels in {{ }} of a legend.
std::set<std::string> LegendLabels(const std::string& legend);

// All queries of panels and variables.
std::vector<Mention> MentionsOfDashboard(const nlohmann::json& dashboard);
// The input series of the tests of the alerts.
std::vector<Mention> MentionsOfAlertTests();
// README.md and docs: PromQL blocks, and code spans that are PromQL or the name of a metric. A name
// without the prefix is recognised by its unit only.
std::vector<Mention> MentionsOfPages();
// The fenced blocks with the tag promql.
std::vector<std::string> PromqlBlocks(const std::string& markdown);

// The series of the programs.
struct Scraped {
  std::map<std::string, std::set<std::string>> metrics;  // series name -> labels
  std::set<std::string> histograms;
};
// What the mention names and the programs do not have, one sentence each.
std::vector<std::string> Missing(const Mention& mention, const Scraped& scraped);

}  // namespace runner::support
