#pragma once

#include <string>

#include "tests/support/metrics_text.h"

namespace runner::support {

// Every event and every run is counted in exactly one place. Each function returns what does not
// add up in one scrape, cluster by cluster; nothing when all does.
std::string ImbalanceOfIngest(const MetricsText& scrape);
std::string ImbalanceOfExecutor(const MetricsText& scrape);

}  // namespace runner::support
