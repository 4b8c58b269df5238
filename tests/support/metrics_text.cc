#include "tests/support/metrics_text.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

namespace runner::support {
namespace {

constexpr std::string_view kPrefix = "kubernetes_mcp_runner_";

[[noreturn]] void Refuse(std::string_view line) {
  throw std::invalid_argument("not a line of metrics: " + std::string(line));
}

// Parses `name="value",...}` at the start of `rest` and removes it.
MetricsText::Labels TakeLabels(std::string_view line, std::string_view& rest) {
  MetricsText::Labels labels;
  while (!rest.starts_with('}')) {
    const std::size_t equals = rest.find("=\"");
    if (equals == std::string_view::npos) Refuse(line);
    std::string& value = labels[std::string(rest.substr(0, equals))];
    rest.remove_prefix(equals + 2);
    for (; !rest.empty() && rest.front() != '"'; rest.remove_prefix(1)) {
      if (rest.front() == '\\') {
        rest.remove_prefix(1);
        value += rest.starts_with('n') ? '\n' : rest.substr(0, 1).front();
      } else {
        value += rest.front();
      }
    }
    if (rest.empty()) Refuse(line);
    rest.remove_prefix(1);
    if (rest.starts_with(',')) rest.remove_prefix(1);
  }
  rest.remove_prefix(1);
  return labels;
}

}  // namespace

MetricsText::MetricsText(std::string_view text) {
  for (std::size_t end; (end = text.find('\n')) != std::string_view::npos;
       text.remove_prefix(end + 1)) {
    const std::string_view line = text.substr(0, end);
    if (line.empty() || line.starts_with('#')) continue;
    std::size_t at = line.find_first_of("{ ");
    if (at == std::string_view::npos) Refuse(line);
    std::string_view name = line.substr(0, at);
    if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
    std::string_view rest = line.substr(at + (line[at] == '{' ? 1 : 0));
    Series series;
    if (line[at] == '{') series.labels = TakeLabels(line, rest);
    const std::string number(rest);
    char* stop = nullptr;
    series.value = std::strtod(number.c_str(), &stop);
    if (stop == number.c_str()) Refuse(line);
    series_[std::string(name)].push_back(std::move(series));
  }
}

bool MetricsText::Matches(const Series& series, const Labels& labels) {
  return std::all_of(labels.begin(), labels.end(), [&series](const auto& label) {
    const auto found = series.labels.find(label.first);
    return found != series.labels.end() && found->second == label.second;
  });
}

double MetricsText::Sum(const std::string& name, const Labels& labels) const {
  double sum = 0;
  const auto found = series_.find(name);
  if (found == series_.end()) return 0;
  for (const Series& series : found->second) {
    if (Matches(series, labels)) sum += series.value;
  }
  return sum;
}

std::map<std::string, double> MetricsText::SumBy(const std::string& name,
                                                 const std::string& label) const {
  std::map<std::string, double> sums;
  const auto found = series_.find(name);
  if (found == series_.end()) return sums;
  for (const Series& series : found->second) {
    const auto value = series.labels.find(label);
    if (value != series.labels.end()) sums[value->second] += series.value;
  }
  return sums;
}

bool MetricsText::Has(const std::string& name, const Labels& labels) const {
  const auto found = series_.find(name);
  return found != series_.end() &&
         std::any_of(found->second.begin(), found->second.end(),
                     [&labels](const Series& series) { return Matches(series, labels); });
}

std::set<std::string> MetricsText::Values(const std::string& label) const {
  std::set<std::string> values;
  for (const auto& [name, all] : series_) {
    for (const Series& series : all) {
      if (const auto found = series.labels.find(label); found != series.labels.end()) {
        values.insert(found->second);
      }
    }
  }
  return values;
}

}  // namespace runner::support
