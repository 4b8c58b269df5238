#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace runner::support {

// Where something under deploy/ or docs/ speaks of metrics.
struct Mention {
  std::string where;
  std::string expression;
  // That the text around it takes from the answer: {{cluster}} of a legend, $labels of an alert.
  std::set<std::string> labels = {};
  // A histogram may stand for its series.
  bool prose = false;
};

// deploy/monitoring/dashboard.json.
nlohmann::json ReadDashboard();
// Its panels, without the rows.
std::vector<nlohmann::json> PanelsOf(const nlohmann::json& dashboard);
// With values for the variables of Grafana, as it has them on a machine without Kubernetes.
std::string WithoutVariables(std::string expression);
// The labels in {{ }} of a legend.
std::set<std::string> LegendLabels(const std::string& legend);

// Every query, of panels and of variables.
std::vector<Mention> MentionsOfDashboard(const nlohmann::json& dashboard);
// The series that the tests of the alerts are fed with.
std::vector<Mention> MentionsOfAlertTests();
// README.md and docs: the blocks of PromQL and what stands in backticks, if it is PromQL or the
// name of a metric. A name without the prefix is known by its unit, so not each can be.
std::vector<Mention> MentionsOfPages();
// The blocks that say they are PromQL.
std::vector<std::string> PromqlBlocks(const std::string& markdown);

// What the programs have.
struct Scraped {
  std::map<std::string, std::set<std::string>> metrics;  // labels, by the name of the series
  std::set<std::string> histograms;
};
// What of the mention is not there, a sentence each.
std::vector<std::string> Missing(const Mention& mention, const Scraped& scraped);

}  // namespace runner::support
