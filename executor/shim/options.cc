#include "executor/shim/options.h"

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

namespace runner::executor {
namespace {

std::optional<std::uint64_t> ParseNumber(const char* text, std::uint64_t max) {
  if (*text < '0' || *text > '9') return std::nullopt;
  char* end = nullptr;
  errno = 0;
  const unsigned long long value = std::strtoull(text, &end, 10);
  if (errno != 0 || *end != '\0' || value > max) return std::nullopt;
  return value;
}

// Returns the options with one more set, or nothing if its name or value is invalid.
std::optional<ShimOptions> With(ShimOptions options, const char* name, const char* value) {
  const auto is = [name](const char* wanted) { return std::strcmp(name, wanted) == 0; };
  // Added to a clock in nanoseconds, the longest timeout does not overflow.
  constexpr std::uint64_t kMaxMilliseconds = std::uint64_t{INT64_MAX} / 1'000'000 / 4;
  std::optional<std::uint64_t> number = 0;
  if (is("--incident")) {
    options.incident_id = value;
  } else if (is("--workspace")) {
    options.workspace = value;
  } else if (is("--spool")) {
    options.spool_file = value;
  } else if (is("--attempt")) {
    number = ParseNumber(value, UINT32_MAX);
    options.attempt = static_cast<std::uint32_t>(number.value_or(0));
  } else if (is("--timeout-ms")) {
    number = ParseNumber(value, kMaxMilliseconds);
    options.timeout_ms = static_cast<std::int64_t>(number.value_or(0));
  } else if (is("--grace-ms")) {
    number = ParseNumber(value, kMaxMilliseconds);
    options.grace_ms = static_cast<std::int64_t>(number.value_or(0));
  } else if (is("--lease-deadline-ns")) {
    number = ParseNumber(value, INT64_MAX);
    options.lease_deadline_ns = static_cast<std::int64_t>(number.value_or(0));
  } else if (is("--max-output")) {
    number = ParseNumber(value, INT64_MAX);
    options.max_output = number.value_or(0);
  } else if (is("--memory-limit")) {
    number = ParseNumber(value, INT64_MAX);
    options.memory_limit = number.value_or(0);
  } else if (is("--workspace-limit")) {
    number = ParseNumber(value, INT64_MAX);
    options.workspace_limit = number.value_or(0);
  } else if (is("--descriptor-limit")) {
    number = ParseNumber(value, INT64_MAX);
    options.descriptor_limit = number.value_or(0);
  } else if (is("--stdin")) {
    options.stdin_incident = std::strcmp(value, "incident") == 0;
    if (!options.stdin_incident && std::strcmp(value, "null") != 0) return std::nullopt;
  } else {
    return std::nullopt;
  }
  if (!number) return std::nullopt;
  return options;
}

}  // namespace

std::optional<ShimOptions> ParseShimOptions(int argc, char* const* argv) {
  ShimOptions options;
  int i = 1;
  for (; i + 1 < argc && std::strcmp(argv[i], "--") != 0; i += 2) {
    const std::optional<ShimOptions> next = With(options, argv[i], argv[i + 1]);
    if (!next) return std::nullopt;
    options = *next;
  }
  if (i + 1 >= argc || std::strcmp(argv[i], "--") != 0) return std::nullopt;
  options.agent_argv = argv + i + 1;
  // The record contains the id without escaping.
  if (std::strspn(options.incident_id, "0123456789abcdef-") != std::strlen(options.incident_id)) {
    return std::nullopt;
  }
  if (options.workspace == nullptr || options.spool_file == nullptr) return std::nullopt;
  return options;
}

}  // namespace runner::executor
