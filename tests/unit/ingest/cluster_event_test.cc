#include "ingest/mcp/cluster_event.h"

#include <chrono>
#include <string>
#include <utility>
#include <variant>

#include <gtest/gtest.h>

#include "common/utf8.h"
#include "tests/unit/ingest/parsed_json.h"

namespace runner::ingest {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

// 2026-01-01T00:00:00Z
const WallTime kNow = WallTime(std::chrono::sys_days(std::chrono::year(2026) / 1 / 1));

Json Valid() {
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
Json With(const char* key, Json value) {
  Json data = Valid();
  data["event"][key] = std::move(value);
  return data;
}
Json WithObject(const char* key, Json value) {
  Json data = Valid();
  data["event"]["involvedObject"][key] = std::move(value);
  return data;
}

DecodedEvent Decode(const Json& data) { return DecodeClusterEvent(ParsedJson(data).value(), kNow); }

FaultEvent Fault(const Json& data) {
  DecodedEvent event = Decode(data);
  if (const auto* invalid = std::get_if<InvalidEvent>(&event)) {
    ADD_FAILURE() << invalid->detail;
    return {};
  }
  return std::get<FaultEvent>(event);
}
std::string Reason(const DecodedEvent& event) {
  const auto* invalid = std::get_if<InvalidEvent>(&event);
  return invalid == nullptr ? "valid" : invalid->reason;
}
std::string WhyInvalid(const Json& data) { return Reason(Decode(data)); }

TEST(ClusterEvent, WholeEvent) {
  const FaultEvent fault = Fault(Valid());
  EXPECT_EQ(fault.cluster, "") << "the server's own claim does not count";
  EXPECT_EQ(fault.fault_id, "");
  EXPECT_EQ(fault.fault_type, "BackOff");
  EXPECT_EQ(fault.severity, Severity::kWarning);
  EXPECT_EQ(fault.resource, (Resource{"v1", "Pod", "cart-6f7-xk2", "shop", "7e0c2a"}));
  EXPECT_EQ(fault.context, "Back-off restarting failed container");
  EXPECT_EQ(fault.timestamp, kNow - 14 * 24h + 11h);
  EXPECT_EQ(fault.received_at, kNow);
}

TEST(ClusterEvent, WhatIsNoWarningIsInformation) {
  for (const Json& type : {Json("Normal"), Json("warning"), Json(""), Json(), Json(5)}) {
    EXPECT_EQ(Fault(With("type", type)).severity, Severity::kInfo) << type;
  }
}

TEST(ClusterEvent, NamespaceIsThatOfTheObjectElseOfTheEvent) {
  EXPECT_EQ(Fault(WithObject("namespace", "other")).resource.namespace_, "other");
  for (const Json& none : {Json(), Json(""), Json(5)}) {
    EXPECT_EQ(Fault(WithObject("namespace", none)).resource.namespace_, "shop") << none;
  }
}

TEST(ClusterEvent, AnObjectOfAKindWithoutNamespacesHasNone) {
  Json data = WithObject("namespace", Json());
  data["event"]["involvedObject"]["kind"] = "Node";
  EXPECT_EQ(Fault(data).resource.namespace_, "");
}

TEST(ClusterEvent, TimeIsTheLatestThatIsReadable) {
  const WallTime day = kNow - 14 * 24h;
  Json data = Valid();
  for (const Json& unknown : {Json(), Json("0001-01-01T00:00:00Z"), Json(""), Json(1766052000)}) {
    data["event"]["lastTimestamp"] = unknown;
    EXPECT_EQ(Fault(data).timestamp, day + 10h) << unknown;
  }
  data["event"].erase("timestamp");
  EXPECT_EQ(Fault(data).timestamp, day + 9h);
  data["event"].erase("firstTimestamp");
  EXPECT_EQ(Fault(data).timestamp, kNow);
  EXPECT_EQ(Fault(With("lastTimestamp", "2026-01-01T00:00:01Z")).timestamp, kNow) << "the future";
}

TEST(ClusterEvent, RequiredMembers) {
  EXPECT_EQ(WhyInvalid(With("reason", "")), "schema");
  EXPECT_EQ(WhyInvalid(With("reason", 5)), "schema");
  EXPECT_EQ(WhyInvalid(With("involvedObject", nullptr)), "schema");
  EXPECT_EQ(WhyInvalid(With("involvedObject", "Pod/cart")), "schema");
  EXPECT_EQ(WhyInvalid(With("involvedObject", Json::array())), "schema");
  EXPECT_EQ(WhyInvalid(WithObject("kind", "")), "schema");
  EXPECT_EQ(WhyInvalid(WithObject("name", Json::object())), "schema");
  EXPECT_EQ(std::get<InvalidEvent>(Decode(With("reason", ""))).severity, Severity::kWarning);
}

TEST(ClusterEvent, DataAndEventMustBeObjects) {
  for (const Json& other : {Json(), Json("text"), Json(1), Json(true), Json::array({Valid()})}) {
    EXPECT_EQ(WhyInvalid(other), "schema") << other;
    EXPECT_EQ(WhyInvalid({{"event", other}}), "schema") << other;
  }
  EXPECT_EQ(WhyInvalid(Json::object()), "schema");
  EXPECT_EQ(Reason(DecodeClusterEvent(std::nullopt, kNow)), "schema");
}

TEST(ClusterEvent, Row8_HostileTextIsKeptAsDataAndBounded) {
  const std::string hostile = "a\0\r\ndata: {}\n\n\x1b[31m $(reboot) \xE2\x80\xAE"s;
  EXPECT_EQ(Fault(With("message", hostile)).context, hostile);
  EXPECT_EQ(Fault(WithObject("name", hostile)).resource.name, hostile);
  const std::string huge(2'000'000, 'x');
  Json data = Valid();
  for (const char* key : {"type", "reason", "message", "namespace", "lastTimestamp"}) {
    data["event"][key] = huge;
  }
  for (const char* key : {"apiVersion", "kind", "name", "uid"}) {
    data["event"]["involvedObject"][key] = huge;
  }
  data["event"]["involvedObject"].erase("namespace");
  const FaultEvent fault = Fault(data);
  EXPECT_EQ(fault.fault_type.size(), kMaxName);
  EXPECT_EQ(fault.context.size(), kMaxContext);
  EXPECT_EQ(fault.resource.api_version.size(), kMaxName);
  EXPECT_EQ(fault.resource.kind.size(), kMaxName);
  EXPECT_EQ(fault.resource.name.size(), kMaxName);
  EXPECT_EQ(fault.resource.namespace_.size(), kMaxName);
  EXPECT_EQ(fault.resource.uid.size(), kMaxUid);
}

TEST(ClusterEvent, Row10_KeyThatOccursTwiceIsInvalid) {
  const auto reason = [](const std::string& before, const std::string& more) {
    std::string text = Valid().dump();
    text.insert(text.find(before), more + ",");
    return Reason(DecodeClusterEvent(ParsedJson(text).value(), kNow));
  };
  EXPECT_EQ(reason("\"subscriptionId\"", R"("event":{})"), "json");
  for (const char* key : {"type", "reason", "message", "namespace", "lastTimestamp", "timestamp",
                          "firstTimestamp", "involvedObject"}) {
    EXPECT_EQ(reason("\"namespace\"", '"' + std::string(key) + "\":null"), "json") << key;
  }
  for (const char* key : {"apiVersion", "kind", "name", "namespace", "uid"}) {
    EXPECT_EQ(reason("\"apiVersion\"", '"' + std::string(key) + "\":null"), "json") << key;
  }
  EXPECT_EQ(reason("\"namespace\"", R"("count":1)"), "valid") << "never read";
}

TEST(ClusterEvent, WhatAnotherReaderFoundBecomesAFaultAsWell) {
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
