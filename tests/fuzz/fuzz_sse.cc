// The input is an event stream. However it is cut, the parser must tell the same, and keep to its
// limits.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tests/fuzz/fuzz_check.h"
#include "tests/fuzz/input_random.h"
#include "tests/unit/ingest/mcp/protocol/sse_recorder.h"

namespace runner::ingest {
namespace {

using Chunks = std::vector<std::string_view>;

Chunks ByteByByte(std::string_view bytes) {
  Chunks chunks;
  for (std::size_t i = 0; i < bytes.size(); ++i) chunks.push_back(bytes.substr(i, 1));
  return chunks;
}

// Pieces of up to `longest` bytes, some of them empty.
Chunks Cut(std::string_view bytes, std::size_t longest, InputRandom& random) {
  Chunks chunks;
  while (!bytes.empty()) {
    const std::size_t length = std::min<std::size_t>(random.Below(longest + 1), bytes.size());
    chunks.push_back(bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  return chunks;
}

void CheckBounds(const SseRecord& record, std::string_view bytes, SseLimits limits) {
  for (const SseEvent& event : record.events) {
    FUZZ_CHECK(event.data.size() <= limits.max_event);
    FUZZ_CHECK(event.type.size() <= limits.max_line);
    FUZZ_CHECK(event.last_event_id.size() <= limits.max_line);
    FUZZ_CHECK(event.last_event_id.find('\0') == std::string::npos);
    FUZZ_CHECK(event.data.find('\r') == std::string::npos);
    FUZZ_CHECK(event.type.find_first_of("\r\n") == std::string::npos);
  }
  for (const std::int64_t retry : record.retries) FUZZ_CHECK(retry >= 0);
  // Every event takes the end of a data line and a blank line.
  FUZZ_CHECK(2 * record.events.size() <= bytes.size());
}

// What was told does not change by what comes later.
void CheckPrefix(const SseRecord& part, const SseRecord& whole) {
  FUZZ_CHECK(part.events.size() <= whole.events.size());
  FUZZ_CHECK(std::equal(part.events.begin(), part.events.end(), whole.events.begin()));
  FUZZ_CHECK(part.retries.size() <= whole.retries.size());
  FUZZ_CHECK(std::equal(part.retries.begin(), part.retries.end(), whole.retries.begin()));
  FUZZ_CHECK(part.oversize <= whole.oversize);
  FUZZ_CHECK(part.comments <= whole.comments);
}

void CheckStream(std::string_view bytes, SseLimits limits, InputRandom& random) {
  const SseRecord whole = Parse({bytes}, limits);
  CheckBounds(whole, bytes, limits);
  FUZZ_CHECK(Parse(ByteByByte(bytes), limits) == whole);
  for (const std::size_t longest : {2, 7, 40}) {
    FUZZ_CHECK(Parse(Cut(bytes, longest, random), limits) == whole);
  }
  CheckPrefix(Parse({bytes.substr(0, random.Below(bytes.size() + 1))}, limits), whole);
}

}  // namespace
}  // namespace runner::ingest

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace runner::ingest;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  runner::InputRandom random(bytes);
  CheckStream(bytes, {}, random);
  CheckStream(bytes, {.max_line = 12, .max_event = 9}, random);
  CheckStream(bytes, {.max_line = random.Below(64), .max_event = random.Below(64)}, random);
  return 0;
}
