#pragma once

#include <cstddef>
#include <string>

#include <gtest/gtest.h>
#include <simdjson.h>

#include "ingest/mcp/protocol/json_in.h"
#include "ingest/mcp/protocol/json_out.h"

namespace runner::ingest {

// What a test writes down, as it comes in. Owns the document of its value.
class ParsedJson {
 public:
  explicit ParsedJson(const std::string& text) {
    simdjson::dom::element root;
    const auto error = parser_.parse(text).get(root);
    EXPECT_EQ(error, simdjson::SUCCESS) << text.substr(0, 1000);
    if (error == simdjson::SUCCESS) value_ = root;
  }
  explicit ParsedJson(const Json& json) : ParsedJson(json.dump()) {}

  const JsonIn& value() const { return value_; }

 private:
  simdjson::dom::parser parser_;
  JsonIn value_;
};

// A member of a value that came in, as JSON text.
inline std::string MemberText(const JsonIn& value, const std::string& pointer) {
  simdjson::dom::element member;
  if (!value || value->at_pointer(pointer).get(member) != simdjson::SUCCESS) return "none";
  return JsonText(member);
}

}  // namespace runner::ingest
