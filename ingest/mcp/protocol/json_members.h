#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <simdjson.h>

#include "ingest/mcp/protocol/json_in.h"

namespace runner::ingest {

// The members of an object that somebody wants to read, found in one pass over it.
//
// RFC 8259 leaves open what a key that occurs twice means, and parsers differ. An object in which
// this happens to a key that is read is ambiguous: it says so, and shows no member at all.
class JsonMembers {
 public:
  // The keys are literals.
  JsonMembers(const JsonIn& value, std::initializer_list<std::string_view> keys);

  bool of_object() const { return of_object_; }
  // What is ambiguous, for people; empty when nothing is.
  const std::string& ambiguity() const { return ambiguity_; }

  // The member of one of the keys; nothing when it is absent.
  const JsonIn& operator[](std::string_view key) const;
  // The same when it is a string, without its escapes; empty when it is absent or something else.
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
