#include "executor/workspace/agent_environment.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <map>
#include <string_view>
#include <system_error>
#include <utility>

#include "executor/workspace/rfc3339.h"

namespace runner::executor {
namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

constexpr std::size_t kMaxEventValue = 4096;
constexpr std::array<std::string_view, 5> kPassed = {"PATH", "HOME", "LANG", "TZ", "TMPDIR"};
constexpr std::array<std::string_view, 2> kPassedPrefixes = {"LC_", "KUBERNETES_SERVICE_"};

bool IsPassed(std::string_view name) {
  return std::find(kPassed.begin(), kPassed.end(), name) != kPassed.end() ||
         std::any_of(kPassedPrefixes.begin(), kPassedPrefixes.end(),
                     [name](std::string_view prefix) { return name.starts_with(prefix); });
}

std::pair<std::string, std::string> SplitVariable(const std::string& variable) {
  const std::size_t equals = std::min(variable.find('='), variable.size());
  return {variable.substr(0, equals),
          equals < variable.size() ? variable.substr(equals + 1) : std::string()};
}

std::string FromEvent(std::string_view value) {
  std::string clean(value.substr(0, kMaxEventValue));
  std::replace(clean.begin(), clean.end(), '\0', '?');
  return clean;
}

// Seconds, with a fraction only if it is not zero.
std::string Seconds(Duration duration) {
  using std::chrono::milliseconds;
  const auto ms = std::chrono::duration_cast<milliseconds>(duration).count();
  if (ms % 1000 == 0) return std::to_string(ms / 1000);
  char text[32];
  std::snprintf(text, sizeof text, "%lld.%03lld", static_cast<long long>(ms / 1000),
                static_cast<long long>(ms % 1000));
  return text;
}

}  // namespace

KubeconfigLookup FindKubeconfig(const std::filesystem::path& directory,
                                const std::string& cluster) {
  if (directory.empty()) return {};
  std::error_code error;
  KubeconfigLookup found{std::filesystem::absolute(directory, error) / (cluster + ".yaml"), ENOENT};
  const bool is_name = !cluster.empty() && cluster.front() != '.' &&
                       cluster.find('/') == std::string::npos &&
                       cluster.find('\0') == std::string::npos;
  if (error || !is_name) return found;
  const bool is_file = std::filesystem::is_regular_file(found.path, error);
  found.error = is_file ? 0 : error ? error.value() : EISDIR;
  return found;
}

std::vector<std::string> BuildAgentEnvironment(const AgentEnvironmentInput& input,
                                               const Lease& lease, const Incident& incident) {
  Variables own;
  for (const std::string& variable : input.own) own.insert(SplitVariable(variable));

  Variables result;
  for (const auto& [name, value] : own) {
    if (IsPassed(name)) result[name] = value;
  }
  result["KUBECONFIG"] = (input.workspace / kNoKubeconfig).string();
  for (const std::string& variable : input.extra) {
    auto [name, value] = SplitVariable(variable);
    if (name.size() < variable.size()) {
      result[name] = value;
    } else if (const auto found = own.find(name); found != own.end()) {
      result[name] = found->second;
    }
  }
  const FaultEvent& event = incident.event;
  if (!input.kubeconfig.empty()) result["KUBECONFIG"] = input.kubeconfig.string();
  result["RUNNER_INCIDENT_ID"] = FromEvent(lease.incident_id);
  result["RUNNER_INCIDENT_FILE"] = (input.workspace / "incident.json").string();
  result["RUNNER_WORKSPACE"] = input.workspace.string();
  result["RUNNER_REPORT_FILE"] = (input.workspace / input.report_path).string();
  result["RUNNER_CLUSTER"] = FromEvent(event.cluster);
  result["RUNNER_FAULT_ID"] = FromEvent(event.fault_id);
  result["RUNNER_FAULT_TYPE"] = FromEvent(event.fault_type);
  result["RUNNER_SEVERITY"] = ToString(event.severity);
  result["RUNNER_RESOURCE_KIND"] = FromEvent(event.resource.kind);
  result["RUNNER_RESOURCE_NAMESPACE"] = FromEvent(event.resource.namespace_);
  result["RUNNER_RESOURCE_NAME"] = FromEvent(event.resource.name);
  result["RUNNER_ATTEMPT"] = std::to_string(lease.attempt);
  result["RUNNER_TIMEOUT_SECONDS"] = Seconds(input.timeout);
  result["RUNNER_DEADLINE"] =
      FormatRfc3339(input.now + std::chrono::duration_cast<WallTime::duration>(input.timeout));

  std::vector<std::string> environment;
  environment.reserve(result.size());
  for (const auto& [name, value] : result) environment.push_back(name + "=" + value);
  return environment;
}

}  // namespace runner::executor
