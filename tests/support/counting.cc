#include "tests/support/counting.h"

#include <initializer_list>
#include <map>
#include <sstream>
#include <string>

namespace runner::support {
namespace {

// The values of each cluster in a scrape. Reads each metric once, since there may be thousands of
// clusters.
class Counts {
 public:
  explicit Counts(const MetricsText& scrape) : scrape_(scrape) {}

  // A missing series counts as 0.
  double Of(const std::string& cluster, const char* name) {
    const auto [sums, first] = sums_.try_emplace(name);
    if (first) sums->second = scrape_.SumBy(name, "cluster");
    const auto found = sums->second.find(cluster);
    return found == sums->second.end() ? 0 : found->second;
  }

 private:
  const MetricsText& scrape_;
  std::map<std::string, std::map<std::string, double>> sums_;
};

// The terms of one side of an equation.
class Side {
 public:
  Side(Counts& counts, const std::string& cluster, std::initializer_list<const char*> names) {
    std::ostringstream text;
    for (const char* name : names) {
      const double value = counts.Of(cluster, name);
      sum_ += value;
      text << (text.tellp() > 0 ? " + " : "") << name << " " << value;
    }
    text_ = text.str();
  }
  double sum() const { return sum_; }
  const std::string& text() const { return text_; }

 private:
  double sum_ = 0;
  std::string text_;
};

std::string Compare(const std::string& cluster, const Side& left, const Side& right) {
  if (left.sum() == right.sum()) return {};
  return "cluster " + cluster + ": " + left.text() + " is not " + right.text() + "\n";
}

}  // namespace

std::string ImbalanceOfIngest(const MetricsText& scrape) {
  std::string imbalance;
  Counts counts(scrape);
  for (const std::string& cluster : scrape.Values("cluster")) {
    const auto side = [&](std::initializer_list<const char*> names) {
      return Side(counts, cluster, names);
    };
    imbalance += Compare(cluster, side({"events_received_total"}),
                         side({"events_invalid_total", "events_filtered_total",
                               "circuit_breaker_events_dropped_total", "events_rejected_total",
                               "events_queued_total"}));
    imbalance += Compare(
        cluster, side({"events_restored_total", "events_queued_total", "events_requeued_total"}),
        side({"events_dequeued_total", "events_expired_total", "events_evicted_total",
              "queue_depth"}));
    imbalance += Compare(
        cluster, side({"events_restored_total", "leases_restored_total", "events_queued_total"}),
        side({"incidents_finished_total", "queue_depth", "incidents_leased"}));
  }
  return imbalance;
}

std::string ImbalanceOfExecutor(const MetricsText& scrape) {
  std::string imbalance;
  Counts counts(scrape);
  for (const std::string& cluster : scrape.Values("cluster")) {
    imbalance += Compare(cluster, Side(counts, cluster, {"agents_spawned_total"}),
                         Side(counts, cluster, {"agents_completed_total", "agents_active"}));
  }
  return imbalance;
}

}  // namespace runner::support
