#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace runner::support {

// One scrape in the Prometheus text format.
class MetricsText {
 public:
  using Labels = std::map<std::string, std::string>;

  // Throws std::invalid_argument that names the invalid line.
  explicit MetricsText(std::string_view text);

  // The sum of all series of this name with these labels; 0 if there is none. Names omit the prefix
  // of the runner.
  double Sum(const std::string& name, const Labels& labels = {}) const;
  // The sums of all series of this name by the value of the label.
  std::map<std::string, double> SumBy(const std::string& name, const std::string& label) const;
  bool Has(const std::string& name, const Labels& labels = {}) const;
  // All values of this label.
  std::set<std::string> Values(const std::string& label) const;

 private:
  struct Series {
    Labels labels;
    double value = 0;
  };
  static bool Matches(const Series& series, const Labels& labels);

  std::map<std::string, std::vector<Series>> series_;
};

}  // namespace runner::support
