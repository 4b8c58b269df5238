#include "tests/e2e/mentions.h"

#include <algorithm>
#include <filesystem>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "tests/e2e/promql.h"
#include "tests/support/temp_dir.h"

namespace runner::support {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path kRoot = RUNNER_ROOT;
const fs::path kMonitoring = kRoot / "deploy" / "monitoring";
constexpr const char* kPrefix = "kubernetes_mcp_runner_";

// All matches of the group of the pattern in the text.
std::vector<std::string> Found(const std::string& text, const std::regex& pattern) {
  std::vector<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it) {
    found.push_back((*it)[1].str());
  }
  return found;
}

// All code spans of a Markdown text, except in fenced blocks. A span may cross a line end, but not
// the end of a paragraph.
std::vector<std::string> CodeSpans(const std::string& markdown) {
  static const std::regex kSpan("`([^`]+)`");
  std::vector<std::string> spans;
  std::istringstream lines(markdown + "\n\n");
  std::string paragraph;
  bool fenced = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("```")) {
      fenced = !fenced;
    } else if (!fenced && !line.empty()) {
      paragraph += line + "\n";
      continue;
    }
    for (std::string& span : Found(paragraph, kSpan)) spans.push_back(std::move(span));
    paragraph.clear();
  }
  return spans;
}

void AddPage(const fs::path& file, std::vector<Mention>& mentions) {
  static const std::regex kLongName(std::string(kPrefix) + "[a-z]");
  static const std::regex kShortName("[a-z_]+_(total|seconds|bytes)(\\{[^}]*\\})?");
  const std::string where = fs::relative(file, kRoot);
  const std::string text = ReadFile(file);
  for (std::string& block : PromqlBlocks(text)) mentions.push_back({where, std::move(block)});
  for (std::string& span : CodeSpans(text)) {
    if (std::regex_search(span, kLongName)) {
      mentions.push_back({where, std::move(span)});
    } else if (std::regex_match(span, kShortName)) {
      if (!span.starts_with("process_")) span.insert(0, kPrefix);
      mentions.push_back({.where = where, .expression = std::move(span), .prose = true});
    }
  }
}

}  // namespace

json ReadDashboard() { return json::parse(ReadFile(kMonitoring / "dashboard.json")); }

std::vector<json> PanelsOf(const json& dashboard) {
  std::vector<json> panels;
  for (const json& panel : dashboard.at("panels")) {
    if (panel.at("type") != "row") panels.push_back(panel);
  }
  return panels;
}

std::string WithoutVariables(std::string expression) {
  for (const auto& [variable, value] :
       {std::pair{"$namespace", ".*"}, std::pair{"$pod", ".*"}, std::pair{"$__rate_interval", "5s"},
        std::pair{"$__range", "1m"}}) {
    for (std::size_t at; (at = expression.find(variable)) != std::string::npos;) {
      expression.replace(at, std::string_view(variable).size(), value);
    }
  }
  if (expression.find('$') != std::string::npos) {
    throw std::invalid_argument("an unknown variable: " + expression);
  }
  return expression;
}

std::set<std::string> LegendLabels(const std::string& legend) {
  static const std::regex kLabel("\\{\\{ *([A-Za-z_]+) *\\}\\}");
  const std::vector<std::string> labels = Found(legend, kLabel);
  return {labels.begin(), labels.end()};
}

std::vector<Mention> MentionsOfDashboard(const json& dashboard) {
  static const std::regex kLabelValues("label_values\\((.*), *([a-z_]+)\\)");
  std::vector<Mention> mentions;
  for (const json& panel : PanelsOf(dashboard)) {
    for (const json& target : panel.at("targets")) {
      mentions.push_back({"panel " + panel.at("title").get<std::string>(),
                          WithoutVariables(target.at("expr")),
                          LegendLabels(target.at("legendFormat"))});
    }
  }
  for (const json& variable : dashboard.at("templating").at("list")) {
    if (variable.at("type") != "query") continue;
    const std::string query = WithoutVariables(variable.at("query").at("query"));
    std::smatch match;
    if (!std::regex_match(query, match, kLabelValues)) throw std::invalid_argument(query);
    mentions.push_back(
        {"variable " + variable.at("name").get<std::string>(), match[1], {match[2]}});
  }
  return mentions;
}

std::vector<Mention> MentionsOfAlertTests() {
  static const std::regex kSeries("- series: '([^']*)'");
  std::vector<Mention> mentions;
  for (std::string& series : Found(ReadFile(kMonitoring / "alerts_test.yaml"), kSeries)) {
    mentions.push_back({"alerts_test.yaml", std::move(series)});
  }
  return mentions;
}

std::vector<Mention> MentionsOfPages() {
  std::vector<Mention> mentions;
  AddPage(kRoot / "README.md", mentions);
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / "docs")) {
    if (entry.path().extension() == ".md") AddPage(entry.path(), mentions);
  }
  return mentions;
}

std::vector<std::string> PromqlBlocks(const std::string& markdown) {
  std::istringstream lines(markdown);
  std::vector<std::string> blocks;
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line == "```promql") {
      inside = true;
      blocks.emplace_back();
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      blocks.back() += line + "\n";
    }
  }
  return blocks;
}

std::vector<std::string> Missing(const Mention& mention, const Scraped& scraped) {
  std::vector<std::string> missing;
  const auto miss = [&](const std::string& what) {
    missing.push_back(mention.where + ": " + what + ": " + mention.expression);
  };
  const PromqlNames names = ReadPromql(mention.expression);
  if (names.selectors.empty()) miss("no metric");
  std::vector<std::set<std::string>> labels;
  for (const PromqlNames::Selector& selector : names.selectors) {
    for (const std::string& metric : selector.metrics) {
      if (mention.prose && scraped.histograms.contains(metric)) continue;
      const auto found = scraped.metrics.find(metric);
      if (found == scraped.metrics.end()) {
        miss("no metric " + metric);
        continue;
      }
      labels.push_back(found->second);
      for (const std::string& label : selector.labels) {
        if (!found->second.contains(label)) miss(metric + " has no label " + label);
      }
    }
  }
  const auto in = [](const std::string& label) {
    return [&label](const std::set<std::string>& some) { return some.contains(label); };
  };
  for (const std::string& label : names.grouping) {
    if (!std::all_of(labels.begin(), labels.end(), in(label))) miss("not each has " + label);
  }
  for (const std::string& label : names.joined) {
    if (std::none_of(labels.begin(), labels.end(), in(label))) miss("none has " + label);
  }
  for (const std::string& label : mention.labels) {
    const bool kept = names.joined.contains(label) ||
                      (names.aggregates ? names.grouping.contains(label)
                                        : std::all_of(labels.begin(), labels.end(), in(label)));
    if (!kept) miss("the answer has no label " + label);
  }
  return missing;
}

}  // namespace runner::support
