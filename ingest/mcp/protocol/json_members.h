#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <simdjson.h>

#include "ingest/mcp/protocol/json_in.h"

namespace runner::ingest {

// The members of an object with given keys, found in one pass over it.
//
// RFC 8259 leaves the meaning of a duplicate key open, and parsers differ. An object in which one
// of the keys occurs twice is ambiguous: no member of it is found.
class JsonMembers {
 public:
  // The keys are literals.
  JsonMembers(const JsonIn& value, std::initializer_list<std::string_view> keys);

  bool of_object() const { return of_object_; }
  // Why it is ambiguous, for an error text; empty if it is not.
  const std::string& ambiguity() const { return ambiguity_; }

  // The member of one of the keys; nothing if it is absent.
  const JsonIn& operator[](std::string_view key) const;
  // The same if it is a string, unescaped; empty if it is absent or no string.
  std::string_view Text(std::string_view key) const;

 private:
  struct Member {
    std::string_view key;
    JsonIn value;
  };
  void Find(const simdjson::dom::object& object);
  void Reject(std::string_view key);

  std::vector<Member> members_;
  bool of_object_ = false;
  std::string ambiguity_;
};

}  // namespace runner::ingest
