#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace runner::ingest {

// Separates the texts of a tool result from the rest of a JSON-RPC message while the message
// arrives, so that an answer of any length needs bounded memory (MCP, Tools, "Tool Result").
//
// Each string at result.content[].text goes to `on_text`, unescaped, followed by LF. The rest of
// the message is kept as JSON; in it each of those strings is cut to kMaxTextInRest bytes, and
// result.structuredContent, which repeats the texts, is null. The extractor does not validate:
// the parser of the rest does. Not thread-safe.
class ToolTextExtractor {
 public:
  // Enough for the answers of all tools but events_list.
  static constexpr std::size_t kMaxTextInRest = std::size_t{64} << 10;

  // `max_rest`: bytes of the rest; a message with more is lost.
  ToolTextExtractor(std::function<void(std::string_view)> on_text, std::size_t max_rest);

  // Bytes of one message, cut anywhere.
  void Put(std::string_view bytes);
  // True if the rest of the message is over its bound.
  bool overflow() const { return overflow_; }
  // Bytes of memory that hold the rest.
  std::size_t buffered() const { return rest_.capacity(); }
  // Frees them: the message is lost, like one over the bound.
  void Drop() {
    overflow_ = true;
    std::string().swap(rest_);  // an assignment of {} would keep the capacity
  }
  // The rest; the next byte begins another message.
  std::string Take();

 private:
  enum class State { kValue, kString, kText, kSkip, kSkipString };
  // The containers around the current byte, as deep as the path goes.
  static constexpr std::size_t kPathDepth = 4;  // {result: {content: [{text
  struct Level {
    bool is_object = false;
    bool after_colon = false;
    std::string key;  // cut to kMaxKey
  };

  void Keep(std::string_view bytes);
  std::size_t TakeValue(std::string_view bytes);
  std::size_t TakeString(std::string_view bytes);
  std::size_t TakeText(std::string_view bytes);
  std::size_t TakeSkipped(std::string_view bytes);
  void Structural(char c);
  void BeginString();
  void EndText();
  void Escaped(char c);
  void AppendCodeUnit(std::uint32_t unit);
  void AppendCodePoint(std::uint32_t code_point);
  void FlushSurrogate();
  void Emit();
  bool AtText() const;
  bool AtStructuredContent() const;

  const std::function<void(std::string_view)> on_text_;
  const std::size_t max_rest_;
  std::string rest_;
  bool overflow_ = false;

  State state_ = State::kValue;
  std::size_t depth_ = 0;
  std::array<Level, kPathDepth + 1> levels_;  // [1] is the outermost container
  bool is_key_ = false;                       // the string under way
  bool escaped_ = false;                      // the byte before was a backslash

  std::string text_;           // decoded and not yet emitted
  std::size_t text_kept_ = 0;  // bytes of the string under way that are in the rest
  bool text_cut_ = false;      // no more of it goes to the rest
  int hex_left_ = 0;           // digits of \uXXXX to come
  std::uint32_t hex_ = 0;
  std::uint32_t high_surrogate_ = 0;  // waits for its low one; 0: none
  std::size_t skip_depth_ = 0;        // containers open inside a skipped value
  bool skip_begun_ = false;
};

}  // namespace runner::ingest
