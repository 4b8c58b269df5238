// The dashboard and the alerts mention existing metrics only, checked with a real Prometheus.

#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/mentions.h"
#include "tests/e2e/prometheus_fixture.h"
#include "tests/e2e/promql.h"
#include "tests/support/eventually.h"

namespace runner {
namespace {

using namespace support;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::SizeIs;

using Strings = std::vector<std::string>;

// --- layout -----------------------------------------------------------------------------------

TEST(DashboardLayout, PanelsDoNotOverlap) {
  std::set<int> ids;
  std::map<std::pair<int, int>, std::string> cells;
  int row = -1;
  Strings rows;
  const json dashboard = ReadDashboard();
  for (const json& panel : dashboard.at("panels")) {
    const std::string title = panel.at("title");
    EXPECT_TRUE(ids.insert(panel.at("id").get<int>()).second) << "duplicate id: " << title;
    const json& place = panel.at("gridPos");
    const int x = place.at("x"), y = place.at("y"), width = place.at("w"), height = place.at("h");
    EXPECT_GE(x, 0) << title;
    EXPECT_LE(x + width, 24) << title;
    for (int cell = 0; cell < width * height; ++cell) {
      const auto [it, is_new] = cells.emplace(std::pair(x + cell % width, y + cell / width), title);
      ASSERT_TRUE(is_new) << title << " lies over " << it->second;
    }
    EXPECT_GT(y, row) << title << " is above the row that it follows";
    if (panel.at("type") != "row") continue;
    row = y;
    rows.push_back(title);
  }
  EXPECT_THAT(rows, ElementsAre("State", "Flow", "Latency", "Outcomes", "Transport", "Process"));
}

TEST(DashboardLayout, EveryPanelHasADescription) {
  std::set<std::string> titles;
  for (const json& panel : PanelsOf(ReadDashboard())) {
    const std::string title = panel.at("title");
    EXPECT_TRUE(titles.insert(title).second) << "duplicate title: " << title;
    EXPECT_THAT(panel.at("description").get<std::string>(), EndsWith(".")) << title;
    EXPECT_NE(panel.at("fieldConfig").at("defaults").at("unit"), "") << title;
    EXPECT_EQ(panel.at("datasource").at("uid"), "${datasource}") << title;
    std::set<std::string> legends;
    for (const json& target : panel.at("targets")) {
      EXPECT_NE(target.at("legendFormat"), "") << title;
      EXPECT_TRUE(legends.insert(target.at("legendFormat")).second)
          << title << ": duplicate legend";
    }
    EXPECT_THAT(legends, Not(IsEmpty())) << title;
  }
}

TEST(DashboardLayout, HasVariablesForNamespacesAndPods) {
  const json dashboard = ReadDashboard();
  EXPECT_EQ(dashboard.at("uid"), "kubernetes-mcp-runner");
  Strings names;
  for (const json& variable : dashboard.at("templating").at("list")) {
    names.push_back(variable.at("name"));
    if (variable.at("type") == "datasource") continue;
    EXPECT_TRUE(variable.at("multi").get<bool>() && variable.at("includeAll").get<bool>());
    // Unlike a list of all values, this matches series without the label.
    EXPECT_EQ(variable.at("allValue"), ".*");
    EXPECT_EQ(variable.at("current").at("value"), json::array({"$__all"}));
  }
  EXPECT_THAT(names, ElementsAre("datasource", "namespace", "pod"));
  for (const json& panel : PanelsOf(dashboard)) {
    for (const json& target : panel.at("targets")) {
      for (const auto& selector :
           ReadPromql(WithoutVariables(target.at("expr").get<std::string>())).selectors) {
        EXPECT_THAT(selector.labels, IsSupersetOf({"namespace", "pod"})) << panel.at("title");
      }
    }
  }
}

// --- data -------------------------------------------------------------------------------------

class DashboardTest : public PrometheusFixture {
 protected:
  // Each stream of the cluster west sends an event without a resource and ends.
  void Start() {
    const json event = {
        {"jsonrpc", "2.0"},
        {"method", "notifications/message"},
        {"params",
         {{"level", "warning"},
          {"logger", "kubernetes/faults"},
          {"data",
           {{"subscriptionId", "sub"}, {"faultType", "CrashLoop"}, {"severity", "error"}}}}}};
    const json flood = {{"flood", {{"count", 1}, {"data", event.dump()}}}};
    const json wait = {{"wait", 500}};
    const json rule = {{"match", {{"method", "GET"}, {"path", "/c/west/mcp"}}},
                       {"steps", {"serve", wait, flood, wait, "end"}}};
    const json script = {{"rules", json::array({rule})}};
    const auto file = system_->directory() / "script.json";
    WriteFile(file, script.dump());
    StartUnderLoad({"--sse-reconnect-initial-delay", "0.1", "--sse-reconnect-max-delay", "0.5"},
                   {"--script", file});
    StartPrometheus();
  }

  Scraped Look() {
    static const std::regex kType("# TYPE (\\S+) (\\S+)");
    Scraped scraped;
    for (const ServiceProcess* service : system_->services()) {
      std::istringstream page(Page(*service));
      std::smatch match;
      for (std::string line; std::getline(page, line);) {
        if (!std::regex_match(line, match, kType)) continue;
        if (match[2] == "histogram") {
          scraped.histograms.insert(match[1]);
        } else {
          scraped.metrics[match[1]];
        }
      }
    }
    for (const json& series : Query("{job=\"kubernetes-mcp-runner\"}")) {
      std::set<std::string>& labels = scraped.metrics[series.at("metric").at("__name__")];
      for (const auto& [label, value] : series.at("metric").items()) labels.insert(label);
    }
    // Prometheus adds these labels if it discovers its targets in Kubernetes.
    for (auto& [name, labels] : scraped.metrics) labels.insert({"namespace", "pod"});
    return scraped;
  }

  // The alerts from the API of Prometheus.
  std::vector<json> Alerts() {
    const json rules = Ask("rules?type=alert");
    std::vector<json> alerts;
    for (const json& group : rules.at("groups")) {
      for (const json& rule : group.at("rules")) alerts.push_back(rule);
    }
    EXPECT_THAT(alerts, SizeIs(Ge(10u)));
    return alerts;
  }

  std::vector<Mention> MentionsOfAlerts() {
    static const std::regex kLabel("\\$labels\\.([a-z_]+)");
    std::vector<Mention> mentions;
    for (const json& alert : Alerts()) {
      const std::string text = alert.at("annotations").dump();
      std::set<std::string> labels;
      for (std::sregex_iterator it(text.begin(), text.end(), kLabel), end; it != end; ++it) {
        labels.insert((*it)[1]);
      }
      mentions.push_back(
          {"alert " + alert.at("name").get<std::string>(), alert.at("query"), labels});
    }
    return mentions;
  }
};

TEST_F(DashboardTest, EveryMentionedMetricAndLabelExists) {
  Start();
  std::vector<Mention> mentions = MentionsOfDashboard(ReadDashboard());
  for (const auto& more : {MentionsOfAlerts(), MentionsOfAlertTests(), MentionsOfPages()}) {
    ASSERT_THAT(more, SizeIs(Ge(10u)));
    mentions.insert(mentions.end(), more.begin(), more.end());
  }
  Strings missing;
  Eventually([&] {
    missing.clear();
    const Scraped scraped = Look();
    for (const Mention& mention : mentions) {
      const Strings of_mention = Missing(mention, scraped);
      missing.insert(missing.end(), of_mention.begin(), of_mention.end());
    }
    return missing.empty();
  });
  EXPECT_THAT(missing, IsEmpty());
  std::cout << mentions.size() << " expressions and names exist\n";
}

TEST_F(DashboardTest, EveryPanelHasDataAndEveryAlertIsEvaluated) {
  Start();
  std::vector<Mention> open;
  for (const Mention& mention : MentionsOfDashboard(ReadDashboard())) {
    if (!mention.where.starts_with("panel ")) continue;
    open.push_back(mention);
    Query(mention.expression);
    ASSERT_FALSE(HasFailure()) << mention.where;
  }
  const std::size_t questions = open.size();
  Eventually([&] {
    std::erase_if(open, [&](const Mention& mention) {
      bool a_number = false;
      for (const json& series : Query(mention.expression)) {
        a_number |= std::isfinite(std::stod(series.at("value")[1].get<std::string>()));
        for (const std::string& label : mention.labels) {
          EXPECT_TRUE(series.at("metric").contains(label)) << mention.where << ": " << label;
        }
      }
      return a_number;
    });
    return open.empty();
  });
  for (const Mention& mention : open) {
    ADD_FAILURE() << mention.where << " has no data: " << mention.expression;
  }
  std::cout << questions - open.size() << " of " << questions << " queries have data\n";

  EXPECT_TRUE(Eventually([&] {
    const std::vector<json> alerts = Alerts();
    return std::all_of(alerts.begin(), alerts.end(),
                       [](const json& alert) { return alert.at("health") == "ok"; });
  })) << json(Alerts()).dump(2);
}

}  // namespace
}  // namespace runner
