#include "tools/faultsim/fault_generator.h"

#include <initializer_list>
#include <string_view>
#include <utility>

namespace runner::faultsim {
namespace {

constexpr std::size_t kRecent = 32;
constexpr std::uint64_t kRecurrenceOneIn = 8;
constexpr std::string_view kHex = "0123456789abcdef";

std::string Hex(std::uint64_t value, int digits) {
  std::string text(static_cast<std::size_t>(digits), '0');
  for (auto at = text.rbegin(); at != text.rend(); ++at, value >>= 4) *at = kHex[value & 0xf];
  return text;
}

std::string Replace(std::string text, std::string_view what, std::string_view with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
  return text;
}

// A zero byte (the second multiplication) ends each part, so that parts never run together.
std::uint64_t Fnv1a(std::initializer_list<std::string_view> parts) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::string_view part : parts) {
    for (const char c : part) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    hash *= 0x100000001b3;
  }
  return hash;
}

// A version 4 UUID from these bits.
std::string Uuid(std::uint64_t high, std::uint64_t low) {
  high = (high & ~0xf000ULL) | 0x4000ULL;
  low = (low & ~(3ULL << 62)) | (2ULL << 62);
  return Hex(high >> 32, 8) + '-' + Hex(high >> 16, 4) + '-' + Hex(high, 4) + '-' +
         Hex(low >> 48, 4) + '-' + Hex(low, 12);
}

}  // namespace

std::string FaultId(const std::string& cluster, const std::string& fault_type,
                    const std::string& uid, const std::string& container) {
  return Hex(Fnv1a({cluster, fault_type, uid, container}), 16);
}

FaultGenerator::FaultGenerator(std::string cluster, std::uint64_t seed)
    : cluster_(std::move(cluster)), random_(seed) {}

FaultEvent FaultGenerator::Next(WallTime now) {
  FaultEvent fault;
  if (recent_.empty()) {
    do {
      fault = Fresh();
    } while (fault.severity != Severity::kCritical);
    recent_.push_back(fault);
  } else if (Below(kRecurrenceOneIn) == 0) {
    fault = recent_[Below(recent_.size())];
  } else {
    fault = Fresh();
    recent_.push_back(fault);
    if (recent_.size() > kRecent) recent_.pop_front();
  }
  fault.timestamp = now;
  fault.received_at = now;
  return fault;
}

FaultEvent FaultGenerator::Fresh() {
  const Scenario& scenario = Scenarios()[Below(Scenarios().size())];
  const auto workloads = scenario.kind == ObjectKind::kJob ? BatchWorkloads() : Workloads();
  const Workload& workload = workloads[Below(workloads.size())];
  FaultEvent fault;
  fault.cluster = cluster_;
  fault.fault_type = scenario.fault_type;
  fault.severity = scenario.severity;
  fault.resource = MakeResource(scenario.kind, workload);
  const std::string container =
      scenario.kind == ObjectKind::kPod ? std::string(workload.container) : std::string();
  fault.fault_id = FaultId(cluster_, fault.fault_type, fault.resource.uid, container);
  std::string context(scenario.context);
  context = Replace(std::move(context), "{app}", workload.app);
  context = Replace(std::move(context), "{container}", workload.container);
  context = Replace(std::move(context), "{namespace}", workload.namespace_);
  context = Replace(std::move(context), "{name}", fault.resource.name);
  fault.context = Replace(std::move(context), "{n}", std::to_string(3 + Below(40)));
  return fault;
}

Resource FaultGenerator::MakeResource(ObjectKind kind, const Workload& workload) {
  const std::string app(workload.app);
  Resource resource;
  resource.namespace_ = workload.namespace_;
  resource.api_version = "v1";
  switch (kind) {
    case ObjectKind::kPod:
      resource.kind = "Pod";
      resource.name = app + '-' + Letters(9);
      resource.name += '-' + Letters(5);
      break;
    case ObjectKind::kNode:
      resource.kind = "Node";
      resource.namespace_.clear();
      resource.name = "ip-10-0-" + std::to_string(Below(8));
      resource.name += '-' + std::to_string(4 + Below(250)) + ".ec2.internal";
      break;
    case ObjectKind::kDeployment:
      resource.api_version = "apps/v1";
      resource.kind = "Deployment";
      resource.name = app;
      // The uid of a Deployment is stable.
      resource.uid = Uuid(Fnv1a({cluster_, resource.namespace_, app}), Fnv1a({app, cluster_}));
      return resource;
    case ObjectKind::kJob:
      resource.api_version = "batch/v1";
      resource.kind = "Job";
      resource.name = app + '-' + std::to_string(28'900'000 + Below(90'000));
      break;
  }
  const std::uint64_t high = random_();
  resource.uid = Uuid(high, random_());
  return resource;
}

std::string FaultGenerator::Letters(std::size_t count) {
  constexpr std::string_view kSafe = "bcdfghjklmnpqrstvwxz2456789";  // Kubernetes' SafeEncodeString
  std::string text;
  while (text.size() < count) text += kSafe[Below(kSafe.size())];
  return text;
}

}  // namespace runner::faultsim
