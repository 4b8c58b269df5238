#include "ingest/mcp/protocol/json_members.h"

#include <algorithm>
#include <cassert>

namespace runner::ingest {

JsonMembers::JsonMembers(const JsonIn& value, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) members_.push_back({key, std::nullopt});
  simdjson::dom::object object;
  of_object_ = value && value->get(object) == simdjson::SUCCESS;
  if (of_object_) Find(object);
}

void JsonMembers::Find(const simdjson::dom::object& object) {
  for (const simdjson::dom::key_value_pair field : object) {
    const auto member = std::find_if(members_.begin(), members_.end(),
                                     [&](const Member& one) { return one.key == field.key; });
    if (member == members_.end()) continue;
    if (member->value) return Reject(member->key);
    member->value = field.value;
  }
}

void JsonMembers::Reject(std::string_view key) {
  ambiguity_ = "'" + std::string(key) + "' occurs twice";
  for (Member& member : members_) member.value.reset();
}

const JsonIn& JsonMembers::operator[](std::string_view key) const {
  static const JsonIn kNothing;
  const auto member = std::find_if(members_.begin(), members_.end(),
                                   [&](const Member& one) { return one.key == key; });
  assert(member != members_.end());
  return member == members_.end() ? kNothing : member->value;
}

std::string_view JsonMembers::Text(std::string_view key) const {
  const JsonIn& value = (*this)[key];
  std::string_view text;
  if (!value || value->get(text) != simdjson::SUCCESS) return {};
  return text;
}

}  // namespace runner::ingest
