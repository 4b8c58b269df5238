#pragma once

#include <optional>
#include <string>

// simdjson.h takes seconds to compile; a header that only passes values on does without.
namespace simdjson::dom {
class element;
}

namespace runner::ingest {

// JSON that a server sent: a value within a document. The parser owns it all, and the value is
// valid until the parser reads the next document. Nothing stands for what is not there. Whoever
// looks inside includes json_members.h.
using JsonIn = std::optional<simdjson::dom::element>;

// Whether it is null, or not there.
bool IsNull(const JsonIn& value);

// The value as JSON text without spaces; empty for what is not there.
std::string JsonText(const JsonIn& value);

}  // namespace runner::ingest
