#pragma once

#include <string>

#include "tests/support/metrics_text.h"

namespace runner::support {

// Every event and every run must be counted in exactly one place. Each function returns the
// equations that do not hold in one scrape, for each cluster; nothing if all hold.
std::string ImbalanceOfIngest(const MetricsText& scrape);
std::string ImbalanceOfExecutor(const MetricsText& scrape);

}  // namespace runner::support
