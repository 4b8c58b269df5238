#pragma once

#include <optional>
#include <string>

// simdjson.h takes seconds to compile; a header that only passes values on does without.
namespace simdjson::dom {
class element;
}

namespace runner::ingest {

// JSON that a server sent: a value within a document. The parser owns the document, and the value
// is valid until the parser reads the next one. Empty: the value is absent. json_members.h reads
// the members.
using JsonIn = std::optional<simdjson::dom::element>;

// Whether it is null or absent.
bool IsNull(const JsonIn& value);

// The value as JSON text without spaces; empty if it is absent.
std::string JsonText(const JsonIn& value);

}  // namespace runner::ingest
