#include "tests/e2e/promql.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <stdexcept>

namespace runner::support {
namespace {

const std::set<std::string_view> kAggregators = {"sum",     "min",    "max",      "avg",
                                                 "group",   "stddev", "stdvar",   "count",
                                                 "bottomk", "topk",   "quantile", "count_values"};
const std::set<std::string_view> kGrouping = {"by", "without", "on", "ignoring"};
const std::set<std::string_view> kJoining = {"group_left", "group_right"};
const std::set<std::string_view> kWords = {"and", "or", "unless", "offset", "bool", "inf", "nan"};

[[noreturn]] void Refuse(std::string_view why, std::string_view text) {
  throw std::invalid_argument(std::string(why) + ": " + std::string(text));
}

bool InName(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

class PromqlReader {
 public:
  explicit PromqlReader(std::string_view text) : text_(text), rest_(text) {}

  PromqlNames Read() {
    for (SkipSpace(); !rest_.empty(); SkipSpace()) {
      const char c = rest_.front();
      if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
        TakeName();  // the letters of a number or a duration
      } else if (c == '"' || c == '\'') {
        TakeString();
      } else if (c == '{') {
        ReadMatchers("");
      } else if (InName(c)) {
        ReadWord(TakeName());
      } else {
        rest_.remove_prefix(1);
      }
    }
    return std::move(names_);
  }

 private:
  void ReadWord(const std::string& word) {
    SkipSpace();
    const bool opens = rest_.starts_with('(');
    if (kGrouping.contains(word) && opens) {
      ReadList(names_.grouping);
    } else if (kJoining.contains(word)) {
      if (opens) ReadList(names_.joined);
    } else if (kAggregators.contains(word)) {
      names_.aggregates = true;
    } else if (rest_.starts_with('{')) {
      ReadMatchers(word);
    } else if (!opens && !kWords.contains(word)) {
      names_.selectors.push_back({{word}, {}});
    }
  }
  void ReadList(std::set<std::string>& labels) {
    rest_.remove_prefix(1);
    for (SkipSpace(); !TakeIf(')'); SkipSpace()) {
      labels.insert(TakeName());
      SkipSpace();
      TakeIf(',');
    }
  }
  void ReadMatchers(const std::string& metric) {
    PromqlNames::Selector selector;
    if (!metric.empty()) selector.metrics.insert(metric);
    rest_.remove_prefix(1);
    for (SkipSpace(); !TakeIf('}'); SkipSpace()) {
      const std::string label = TakeName();
      SkipSpace();
      const std::size_t length = std::min(rest_.find_first_not_of("=!~"), rest_.size());
      const std::string_view comparison = rest_.substr(0, length);
      rest_.remove_prefix(length);
      SkipSpace();
      const std::string value = TakeString();
      if (label != "__name__") {
        selector.labels.insert(label);
      } else if (comparison == "=~" || comparison == "=") {
        selector.metrics.merge(Alternatives(value));
      } else {
        Refuse("a negated metric name", text_);
      }
      SkipSpace();
      TakeIf(',');
    }
    if (selector.metrics.empty()) Refuse("a selector without a metric", text_);
    names_.selectors.push_back(std::move(selector));
  }

  void SkipSpace() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n"), rest_.size()));
  }
  bool TakeIf(char c) {
    if (rest_.empty()) Refuse("unexpected end", text_);
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string TakeName() {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), InName);
    const std::string name(rest_.begin(), end);
    if (name.empty()) Refuse("expected a name", text_);
    rest_.remove_prefix(name.size());
    return name;
  }
  std::string TakeString() {
    const char quote = rest_.empty() ? '\0' : rest_.front();
    if (quote != '"' && quote != '\'') Refuse("expected a string", text_);
    const std::size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) Refuse("unterminated string", text_);
    const std::string value(rest_.substr(1, end - 1));
    if (value.find('\\') != std::string::npos) Refuse("unsupported escape", text_);
    rest_.remove_prefix(end + 1);
    return value;
  }

  const std::string_view text_;
  std::string_view rest_;
  PromqlNames names_;
};

// Parses `a|b(c|d)e` up to the end or a ')'.
std::set<std::string> TakeAlternatives(std::string_view& rest, std::string_view pattern) {
  std::set<std::string> all;
  std::set<std::string> current = {""};
  const auto append = [&current](const std::set<std::string>& ends) {
    std::set<std::string> longer;
    for (const std::string& begin : current) {
      for (const std::string& end : ends) longer.insert(begin + end);
    }
    current = std::move(longer);
  };
  for (; !rest.empty() && rest.front() != ')'; rest.remove_prefix(1)) {
    const char c = rest.front();
    if (c == '|') {
      all.merge(current);
      current = {""};
    } else if (c == '(') {
      rest.remove_prefix(1);
      append(TakeAlternatives(rest, pattern));
      if (rest.empty()) Refuse("unterminated (", pattern);
    } else if (InName(c)) {
      append({std::string(1, c)});
    } else {
      Refuse("expected alternatives only", pattern);
    }
  }
  all.merge(current);
  return all;
}

}  // namespace

PromqlNames ReadPromql(std::string_view text) { return PromqlReader(text).Read(); }

std::set<std::string> Alternatives(std::string_view pattern) {
  std::string_view rest = pattern;
  std::set<std::string> all = TakeAlternatives(rest, pattern);
  if (!rest.empty()) Refuse("unmatched )", pattern);
  return all;
}

}  // namespace runner::support
