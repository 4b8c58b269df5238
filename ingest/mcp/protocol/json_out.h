#pragma once

#include <nlohmann/json.hpp>

namespace runner::ingest {

// JSON that is sent. Received JSON is a JsonIn: it is parsed within bounds and never copied.
using Json = nlohmann::ordered_json;

}  // namespace runner::ingest
