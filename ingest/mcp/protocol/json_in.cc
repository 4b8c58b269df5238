#include "ingest/mcp/protocol/json_in.h"

#include <simdjson.h>

namespace runner::ingest {

bool IsNull(const JsonIn& value) { return !value || value->is_null(); }

std::string JsonText(const JsonIn& value) {
  return value ? simdjson::minify(*value) : std::string();
}

}  // namespace runner::ingest
