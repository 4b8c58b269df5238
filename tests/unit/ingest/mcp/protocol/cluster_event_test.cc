#include "ingest/mcp/protocol/cluster_event.h"

#include <chrono>
#include <string>
#include <utility>
#include <variant>

#include <gtest/gtest.h>

#include "common/base/utf8.h"
#include "tests/support/times.h"
#include "tests/unit/ingest/mcp/protocol/decoded_event.h"
#include "tests/unit/ingest/mcp/protocol/parsed_json.h"

namespace runner::ingest {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

Json ValidEvent() {
  return {{"subscriptionId", "sub-1"},
          {"cluster", "east"},
          {"event",
           {{"namespace", "shop"},
            {"timestamp", "2025-12-18T10:00:00Z"},
            {"type", "Warning"},
            {"reason", "BackOff"},
            {"message", "Back-off restarting failed container"},
            {"labels", {{"app", "cart"}}},
            {"involvedObject",
             {{"apiVersion", "v1"},
              {"kind", "Pod"},
              {"name", "cart-6f7-xk2"},
              {"namespace", "shop"},
              {"uid", "7e0c2a"}}},
            {"count", 7},
            {"firstTimestamp", "2025-12-18T09:00:00Z"},
            {"lastTimestamp", "2025-12-18T11:00:00Z"}}}};
}
Json EventWith(const char* key, Json value) {
  Json data = ValidEvent();
  data["event"][key] = std::move(value);
  return data;
}
Json EventWithObject(const char* key, Json value) {
  Json data = ValidEvent();
  data["event"]["involvedObject"][key] = std::move(value);
  return data;
}

DecodedEvent DecodeEvent(const Json& data) {
  return DecodeClusterEvent(ParsedJson(data).value(), kNow);
}

FaultEvent FaultOf(const Json& data) { return FaultIn(DecodeEvent(data)); }
std::string WhyInvalidEvent(const Json& data) { return Reason(DecodeEvent(data)); }

TEST(ClusterEvent, CompleteEventIsDecoded) {
  const FaultEvent fault = FaultOf(ValidEvent());
  EXPECT_EQ(fault.cluster, "") << "the server's own claim does not count";
  EXPECT_EQ(fault.fault_id, "");
  EXPECT_EQ(fault.fault_type, "CrashLoop") << "as a server that pushes faults would call it";
  EXPECT_EQ(fault.severity, Severity::kCritical);
  EXPECT_EQ(fault.resource, (Resource{"v1", "Pod", "cart-6f7-xk2", "shop", "7e0c2a"}));
  EXPECT_EQ(fault.context, "Back-off restarting failed container");
  EXPECT_EQ(fault.timestamp, kNow - 14 * 24h + 11h);
  EXPECT_EQ(fault.received_at, kNow);
}

TEST(ClusterEvent, UnknownReasonOfTypeNormalIsInfo) {
  for (const Json& type : {Json("Normal"), Json("warning"), Json(""), Json(), Json(5)}) {
    Json data = EventWith("type", type);
    data["event"]["reason"] = "Pulled";
    EXPECT_EQ(FaultOf(data).severity, Severity::kInfo) << type;
  }
}

// The reasons, fault types and severities of the table in docs/servers.md.
TEST(ClusterEvent, KnownReasonsMapToTheFaultsOfAServer) {
  struct Row {
    std::string kind, reason, fault_type;
    Severity severity;
  };
  for (const Row& row :
       {Row{"Pod", "BackOff", "CrashLoop", Severity::kCritical},
        Row{"Pod", "CrashLoopBackOff", "CrashLoop", Severity::kCritical},
        Row{"Pod", "Failed", "PodCrash", Severity::kWarning},
        Row{"Pod", "OOMKilling", "PodCrash", Severity::kWarning},
        Row{"Node", "NodeNotReady", "NodeUnhealthy", Severity::kCritical},
        Row{"Pod", "NodeNotReady", "NodeNotReady", Severity::kWarning},
        Row{"Deployment", "ProgressDeadlineExceeded", "DeploymentFailure", Severity::kCritical},
        Row{"Job", "BackoffLimitExceeded", "JobFailure", Severity::kCritical},
        Row{"Pod", "Evicted", "Evicted", Severity::kWarning},
        Row{"Pod", "FailedScheduling", "FailedScheduling", Severity::kWarning},
        Row{"Pod", "FailedMount", "FailedMount", Severity::kWarning},
        Row{"Pod", "Unhealthy", "Unhealthy", Severity::kWarning}}) {
    Json data = EventWith("reason", row.reason);
    data["event"]["involvedObject"]["kind"] = row.kind;
    EXPECT_EQ(FaultOf(data).fault_type, row.fault_type) << row.kind << ' ' << row.reason;
    EXPECT_EQ(FaultOf(data).severity, row.severity) << row.kind << ' ' << row.reason;
  }
}

TEST(ClusterEvent, BackOffOfAnImagePullIsNoCrashLoop) {
  const FaultEvent fault = FaultOf(EventWith("message", "Back-off pulling image \"x:1\""));
  EXPECT_EQ(fault.fault_type, "ImagePullBackOff");
  EXPECT_EQ(fault.severity, Severity::kWarning);
}

TEST(ClusterEvent, NamespaceIsThatOfTheObject) {
  EXPECT_EQ(FaultOf(EventWithObject("namespace", "other")).resource.namespace_, "other");
  for (const Json& none : {Json(), Json(""), Json(5)}) {
    EXPECT_EQ(FaultOf(EventWithObject("namespace", none)).resource.namespace_, "") << none;
  }
}

// A list gives the namespace of the event only.
TEST(ClusterEvent, NamespaceOfAListedEventCountsUnlessItsObjectIsClusterScoped) {
  const auto listed = [](const std::string& kind, const std::string& event_namespace) {
    ClusterEvent event;
    event.object.kind = kind;
    event.namespace_ = event_namespace;
    return ObjectNamespace(event);
  };
  for (const char* kind : {"NodeClaim", "ClusterIssuer", "VolumeSnapshotContent", "ClusterPolicy",
                           "APIService", "Node", "PersistentVolume", "SomeCustomThing"}) {
    EXPECT_EQ(listed(kind, "default"), "") << kind;
    EXPECT_EQ(listed(kind, "kube-system"), "") << kind;
  }
  for (const char* kind : {"Pod", "Deployment", "Job", "PersistentVolumeClaim"}) {
    EXPECT_EQ(listed(kind, "default"), "default") << kind;
    EXPECT_EQ(listed(kind, "kube-system"), "kube-system") << kind;
  }
  EXPECT_EQ(listed("Certificate", "shop"), "shop")
      << "objects without a namespace are listed in default or kube-system only";
}

TEST(ClusterEvent, LatestReadableTimeCounts) {
  const WallTime day = kNow - 14 * 24h;
  Json data = ValidEvent();
  for (const Json& unknown : {Json(), Json("0001-01-01T00:00:00Z"), Json(""), Json(1766052000)}) {
    data["event"]["lastTimestamp"] = unknown;
    EXPECT_EQ(FaultOf(data).timestamp, day + 10h) << unknown;
  }
  data["event"].erase("timestamp");
  EXPECT_EQ(FaultOf(data).timestamp, day + 9h);
  data["event"]["eventTime"] = "2025-12-18T09:30:00.123456Z";
  EXPECT_EQ(FaultOf(data).timestamp, day + 9h + 30min + 123456us);
  data["event"]["series"] = {{"count", 40}, {"lastObservedTime", "2025-12-18T12:00:00.000000Z"}};
  EXPECT_EQ(FaultOf(data).timestamp, day + 12h);
  for (const char* key : {"firstTimestamp", "eventTime", "series"}) data["event"].erase(key);
  EXPECT_EQ(FaultOf(data).timestamp, kNow);
  EXPECT_EQ(FaultOf(EventWith("lastTimestamp", "2026-01-01T00:00:01Z")).timestamp, kNow)
      << "the future";
}

TEST(ClusterEvent, MissingRequiredMemberIsInvalid) {
  EXPECT_EQ(WhyInvalidEvent(EventWith("reason", "")), "schema");
  EXPECT_EQ(WhyInvalidEvent(EventWith("reason", 5)), "schema");
  EXPECT_EQ(WhyInvalidEvent(EventWith("involvedObject", nullptr)), "schema");
  EXPECT_EQ(WhyInvalidEvent(EventWith("involvedObject", "Pod/cart")), "schema");
  EXPECT_EQ(WhyInvalidEvent(EventWith("involvedObject", Json::array())), "schema");
  EXPECT_EQ(WhyInvalidEvent(EventWithObject("kind", "")), "schema");
  EXPECT_EQ(WhyInvalidEvent(EventWithObject("name", Json::object())), "schema");
  EXPECT_EQ(std::get<InvalidEvent>(DecodeEvent(EventWith("reason", ""))).severity,
            Severity::kWarning);
}

TEST(ClusterEvent, DataAndEventMustBeObjects) {
  for (const Json& other :
       {Json(), Json("text"), Json(1), Json(true), Json::array({ValidEvent()})}) {
    EXPECT_EQ(WhyInvalidEvent(other), "schema") << other;
    EXPECT_EQ(WhyInvalidEvent({{"event", other}}), "schema") << other;
  }
  EXPECT_EQ(WhyInvalidEvent(Json::object()), "schema");
  EXPECT_EQ(Reason(DecodeClusterEvent(std::nullopt, kNow)), "schema");
}

TEST(ClusterEvent, HostileTextIsKeptAsDataAndBounded) {
  const std::string hostile = "a\0\r\ndata: {}\n\n\x1b[31m $(reboot) \xE2\x80\xAE"s;
  EXPECT_EQ(FaultOf(EventWith("message", hostile)).context, hostile);
  EXPECT_EQ(FaultOf(EventWithObject("name", hostile)).resource.name, hostile);
  const std::string huge(2'000'000, 'x');
  Json data = ValidEvent();
  for (const char* key : {"type", "reason", "message", "namespace", "lastTimestamp"}) {
    data["event"][key] = huge;
  }
  for (const char* key : {"apiVersion", "kind", "name", "namespace", "uid"}) {
    data["event"]["involvedObject"][key] = huge;
  }
  const FaultEvent fault = FaultOf(data);
  EXPECT_EQ(fault.fault_type.size(), kMaxName);
  EXPECT_EQ(fault.context.size(), kMaxContext);
  EXPECT_EQ(fault.resource.api_version.size(), kMaxName);
  EXPECT_EQ(fault.resource.kind.size(), kMaxName);
  EXPECT_EQ(fault.resource.name.size(), kMaxName);
  EXPECT_EQ(fault.resource.namespace_.size(), kMaxName);
  EXPECT_EQ(fault.resource.uid.size(), kMaxUid);
}

TEST(ClusterEvent, DuplicateKeyIsInvalid) {
  const auto reason = [](const std::string& before, const std::string& more) {
    std::string text = ValidEvent().dump();
    text.insert(text.find(before), more + ",");
    return Reason(DecodeClusterEvent(ParsedJson(text).value(), kNow));
  };
  EXPECT_EQ(reason("\"subscriptionId\"", R"("event":{})"), "json");
  for (const char* key : {"type", "reason", "message", "namespace", "lastTimestamp", "eventTime",
                          "timestamp", "firstTimestamp", "series", "involvedObject"}) {
    const std::string member = '"' + std::string(key) + "\":null";
    EXPECT_EQ(reason("\"namespace\"", member + "," + member), "json") << key;
  }
  for (const char* key : {"apiVersion", "kind", "name", "namespace", "uid"}) {
    EXPECT_EQ(reason("\"apiVersion\"", '"' + std::string(key) + "\":null"), "json") << key;
  }
  EXPECT_EQ(reason("\"namespace\"", R"("count":1)"), "valid") << "never read";
}

TEST(ClusterEvent, ListedEventBecomesAFault) {
  ClusterEvent event;
  event.type = "Warning";
  event.reason = "FailedScheduling";
  event.message = "no nodes";
  event.namespace_ = "shop";
  event.object = {"v1", "Pod", "cart", "", ""};
  FaultEvent fault = ToFault(event, kNow);
  EXPECT_EQ(fault.fault_type, "FailedScheduling");
  EXPECT_EQ(fault.context, "no nodes");
  EXPECT_EQ(fault.resource.namespace_, "shop");
  EXPECT_EQ(fault.timestamp, kNow);
  EXPECT_FALSE(Normalize(fault));
}

}  // namespace
}  // namespace runner::ingest
