#include "tests/fuzz/sse_differential/stream_generator.h"

#include <array>
#include <iterator>
#include <string_view>

namespace runner::ingest {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::array kEnds = {"\n"sv, "\n"sv, "\r\n"sv, "\r"sv};
constexpr std::array kFields = {"data"sv,
                                "data"sv,
                                "data"sv,
                                "id"sv,
                                "event"sv,
                                "retry"sv,
                                ""sv,
                                "Data"sv,
                                "dat"sv,
                                "idx"sv,
                                "data "sv,
                                " data"sv,
                                "retr"sv,
                                "event\0"sv,
                                "\xEF\xBB\xBF"
                                "data"sv,
                                "x"sv};
constexpr std::array kSeparators = {":"sv, ":"sv, ": "sv, ": "sv, ":  "sv, ""sv, " :"sv, "::"sv};
constexpr std::array kPieces = {"a"sv,
                                "b"sv,
                                "0"sv,
                                "7"sv,
                                "42"sv,
                                "900719925474099"sv,
                                " "sv,
                                ":"sv,
                                "\t"sv,
                                "\0"sv,
                                "\xC3\xA9"sv,
                                "\xE2\x82\xAC"sv,
                                "\xF0\x9F\x98\x80"sv,
                                "\xFF"sv,
                                "\xC3"sv,
                                "\xEF\xBB\xBF"sv,
                                "\xE2\x80\xA8"sv,
                                "\xC2\x85"sv,
                                "\x0B"sv,
                                "\x0C"sv,
                                "-1"sv,
                                "+1"sv,
                                "1e3"sv,
                                "data:"sv,
                                "message"sv,
                                "{\"jsonrpc\":\"2.0\"}"sv};

template <typename Table>
std::string_view Pick(const Table& table, std::size_t number) {
  return table[number % std::size(table)];
}

}  // namespace

std::string StreamGenerator::Piece() { return std::string(Pick(kPieces, Below(kPieces.size()))); }

std::string StreamGenerator::Value() {
  std::string value;
  for (std::size_t pieces = Below(4); pieces > 0; --pieces) value += Piece();
  return value;
}

std::string StreamGenerator::Line() {
  const std::size_t kind = Below(16);
  if (kind < 4) return {};  // dispatches
  if (kind == 4) return Value();
  if (kind == 5) return ":" + Value();
  if (kind == 6) return "retry:" + std::to_string(random_() >> Below(64));
  std::string line(Pick(kFields, Below(kFields.size())));
  line += Pick(kSeparators, Below(kSeparators.size()));
  return line + Value();
}

std::string StreamGenerator::Next() {
  std::string stream;
  switch (Below(8)) {
    case 0:
      stream = "\xEF\xBB\xBF";
      break;
    case 1:
      stream = std::string("\xEF\xBB\xBF", Below(3));
      break;
    default:
      break;
  }
  // One kind of line end is the rule, a mixture the exception.
  const std::size_t end = Below(kEnds.size() + 2);
  for (std::size_t lines = Below(16); lines > 0; --lines) {
    stream += Line();
    stream += Pick(kEnds, end < kEnds.size() ? end : Below(kEnds.size()));
  }
  if (Below(2) == 0) stream += Line();  // unfinished
  return stream;
}

}  // namespace runner::ingest
