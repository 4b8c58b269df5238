#include "ingest/mcp/protocol/fault_decoder.h"

#include <chrono>
#include <string>
#include <variant>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/utf8.h"
#include "tests/support/times.h"
#include "tests/unit/ingest/mcp/protocol/decoded_event.h"
#include "tests/unit/ingest/mcp/protocol/parsed_json.h"

namespace runner::ingest {
namespace {

using namespace std::chrono_literals;

Json Valid() {
  return {{"subscriptionId", "sub-1"},
          {"cluster", "east"},
          {"faultId", "0a1b2c3d4e5f6071"},
          {"faultType", "CrashLoop"},
          {"severity", "critical"},
          {"resource",
           {{"apiVersion", "v1"},
            {"kind", "Pod"},
            {"name", "cart-6f7-xk2"},
            {"namespace", "shop"},
            {"uid", "7e0c2a"}}},
          {"context", "panic: nil map\n\tat main.go:12\n"},
          {"timestamp", "2025-12-18T10:00:00Z"}};
}
Json With(const char* key, Json value) {
  Json data = Valid();
  data[key] = std::move(value);
  return data;
}
Json WithResource(const char* key, Json value) {
  Json data = Valid();
  data["resource"][key] = std::move(value);
  return data;
}
Json Without(const char* key) {
  Json data = Valid();
  data.erase(key);
  return data;
}

DecodedEvent Decode(const Json& data) { return DecodeFault(ParsedJson(data).value(), kNow); }

FaultEvent Fault(const Json& data) { return FaultIn(Decode(data)); }
std::string WhyInvalid(const Json& data) { return Reason(Decode(data)); }

TEST(FaultDecoder, CompleteFaultIsDecoded) {
  const FaultEvent event = Fault(Valid());
  EXPECT_EQ(event.cluster, "") << "the server's own claim does not count";
  EXPECT_EQ(event.fault_id, "0a1b2c3d4e5f6071");
  EXPECT_EQ(event.fault_type, "CrashLoop");
  EXPECT_EQ(event.severity, Severity::kCritical);
  EXPECT_EQ(event.resource, (Resource{"v1", "Pod", "cart-6f7-xk2", "shop", "7e0c2a"}));
  EXPECT_EQ(event.context, "panic: nil map\n\tat main.go:12\n");
  EXPECT_EQ(event.timestamp, kNow - 14 * 24h + 10h);
  EXPECT_EQ(event.received_at, kNow);
}

TEST(FaultDecoder, ClusterScopedObjectHasNoNamespace) {
  Json data = With("faultType", "NodeUnhealthy");
  data["resource"] = {{"apiVersion", "v1"}, {"kind", "Node"}, {"name", "ip-10-0-3-17"}};
  const FaultEvent event = Fault(data);
  EXPECT_EQ(event.resource.namespace_, "");
  EXPECT_EQ(event.resource.uid, "");
}

TEST(FaultDecoder, OptionalMembersMayBeAbsent) {
  const FaultEvent event =
      Fault({{"faultType", "JobFailure"}, {"resource", {{"kind", "Job"}, {"name", "export"}}}});
  EXPECT_EQ(event.fault_id, "");
  EXPECT_EQ(event.context, "");
  EXPECT_EQ(event.severity, Severity::kWarning);
  EXPECT_EQ(event.timestamp, kNow);
}

TEST(FaultDecoder, MissingRequiredMemberIsInvalid) {
  EXPECT_EQ(WhyInvalid(Without("faultType")), "schema");
  EXPECT_EQ(WhyInvalid(Without("resource")), "schema");
  EXPECT_EQ(WhyInvalid(With("faultType", "")), "schema");
  EXPECT_EQ(WhyInvalid(With("faultType", 5)), "schema");
  EXPECT_EQ(WhyInvalid(With("resource", {{"kind", "Pod"}})), "schema");
  EXPECT_EQ(WhyInvalid(With("resource", {{"name", "pod"}})), "schema");
  EXPECT_EQ(WhyInvalid(With("resource", "Pod/pod")), "schema");
  EXPECT_EQ(WhyInvalid(With("resource", nullptr)), "schema");
  EXPECT_EQ(WhyInvalid(WithResource("name", Json::array({"pod"}))), "schema");
}

TEST(FaultDecoder, DataMustBeAnObject) {
  for (const Json& data : {Json(), Json("text"), Json(1), Json(true), Json::array({Valid()})}) {
    EXPECT_EQ(WhyInvalid(data), "schema") << data;
  }
  EXPECT_EQ(Reason(DecodeFault(std::nullopt, kNow)), "schema");
}

TEST(FaultDecoder, SeverityIsKnownOrAbsent) {
  EXPECT_EQ(Fault(With("severity", "CRITICAL")).severity, Severity::kCritical);
  EXPECT_EQ(Fault(With("severity", "High")).severity, Severity::kError);
  EXPECT_EQ(Fault(With("severity", "medium")).severity, Severity::kWarning);
  EXPECT_EQ(Fault(With("severity", "low")).severity, Severity::kInfo);
  EXPECT_EQ(Fault(With("severity", nullptr)).severity, Severity::kWarning);
  EXPECT_EQ(Fault(Without("severity")).severity, Severity::kWarning);
  EXPECT_EQ(WhyInvalid(With("severity", "apocalyptic")), "schema");
  EXPECT_EQ(WhyInvalid(With("severity", "")), "schema");
  EXPECT_EQ(WhyInvalid(With("severity", 3)), "schema");
}

TEST(FaultDecoder, InvalidEventHasItsSeverityIfItIsKnown) {
  const auto severity = [](const Json& data) {
    return std::get<InvalidEvent>(Decode(data)).severity;
  };
  EXPECT_EQ(severity(Without("faultType")), Severity::kCritical);
  EXPECT_EQ(severity(With("severity", "apocalyptic")), std::nullopt);
  EXPECT_EQ(severity(Json()), std::nullopt);
}

TEST(FaultDecoder, HostileTextIsKeptAsData) {
  const std::string hostile =
      "line one\r\ndata: {\"forged\":true}\n\nevent: x\n\x1b[31mred\x1b[0m \"q\" back\\slash "
      "$(touch /tmp/x) `id` ; rm -rf / \xE2\x80\xAE \xF0\x9F\x9A\x80 <script>{{7*7}}";
  Json data = With("context", hostile);
  data["faultId"] = "../../../tmp/x";
  data["cluster"] = "../../etc";
  data["resource"]["name"] = "$(reboot)";
  data["resource"]["namespace"] = "default; drop table incidents";
  const FaultEvent event = Fault(data);
  EXPECT_EQ(event.context, hostile);
  EXPECT_EQ(event.fault_id, "../../../tmp/x");
  EXPECT_EQ(event.cluster, "");
  EXPECT_EQ(event.resource.name, "$(reboot)");
  EXPECT_EQ(event.resource.namespace_, "default; drop table incidents");
}

TEST(FaultDecoder, EveryLengthIsBounded) {
  const std::string huge(2'000'000, 'x');
  Json data = With("context", huge);
  for (const char* key : {"faultId", "faultType"}) data[key] = huge;
  for (const char* key : {"apiVersion", "kind", "name", "namespace", "uid"}) {
    data["resource"][key] = huge;
  }
  const FaultEvent event = Fault(data);
  EXPECT_EQ(event.fault_id.size(), kMaxUid);
  EXPECT_EQ(event.fault_type.size(), kMaxName);
  EXPECT_EQ(event.resource.api_version.size(), kMaxName);
  EXPECT_EQ(event.resource.kind.size(), kMaxName);
  EXPECT_EQ(event.resource.name.size(), kMaxName);
  EXPECT_EQ(event.resource.namespace_.size(), kMaxName);
  EXPECT_EQ(event.resource.uid.size(), kMaxUid);
  EXPECT_EQ(event.context.size(), kMaxContext);
  EXPECT_TRUE(event.context.ends_with(kTruncationMarker));
}

TEST(FaultDecoder, TextAtItsBoundIsWhole) {
  EXPECT_EQ(Fault(WithResource("name", std::string(253, 'n'))).resource.name,
            std::string(253, 'n'));
  EXPECT_EQ(Fault(With("context", std::string(kMaxContext, 'c'))).context.size(), kMaxContext);
}

TEST(FaultDecoder, TruncationCutsNoCharacter) {
  std::string text;
  while (text.size() < 300) text += "\xE2\x82\xAC";
  const std::string name = Fault(WithResource("name", text)).resource.name;
  EXPECT_LE(name.size(), kMaxName);
  EXPECT_EQ(SanitizeUtf8(name), name);
}

TEST(FaultDecoder, NulInATextIsKeptAsData) {
  const std::string text("a\0b", 3);
  EXPECT_EQ(Fault(With("context", text)).context, text);
  EXPECT_EQ(Fault(WithResource("name", text)).resource.name, text);
}

TEST(FaultDecoder, DuplicateKeyIsInvalid) {
  const auto reason = [](std::string text, const std::string& before, const std::string& more) {
    text.insert(text.find(before), more + ",");
    return Reason(DecodeFault(ParsedJson(text).value(), kNow));
  };
  const std::string valid = Valid().dump();
  for (const char* more : {R"("faultId":"x")", R"("faultType":"CrashLoop")", R"("severity":"info")",
                           R"("resource":{"kind":"Pod","name":"other"})", R"("context":null)",
                           R"("timestamp":0)", R"("\u0073everity":"info")"}) {
    EXPECT_EQ(reason(valid, "\"subscriptionId\"", more), "json") << more;
  }
  for (const char* more : {R"("apiVersion":1)", R"("kind":"Pod")", R"("name":"other")",
                           R"("namespace":null)", R"("uid":"")"}) {
    EXPECT_EQ(reason(valid, "\"apiVersion\"", more), "json") << more;
  }
  EXPECT_EQ(reason(valid, "\"subscriptionId\"", R"("cluster":"west")"), "valid") << "never read";
}

TEST(FaultDecoder, AmbiguousResourceKeepsTheSeverityOfTheEvent) {
  const std::string text =
      R"({"faultType":"CrashLoop","severity":"critical","resource":{"kind":"Pod","kind":"Job"}})";
  const ParsedJson data(text);
  EXPECT_EQ(std::get<InvalidEvent>(DecodeFault(data.value(), kNow)).severity, Severity::kCritical);
}

TEST(FaultDecoder, UnknownMembersOfAnyDepthAreIgnored) {
  std::string deep = "1";
  for (int i = 0; i < 1000; ++i) deep = "[" + deep + "]";
  EXPECT_EQ(WhyInvalid(With("more", Json::parse(deep))), "valid");
}

TEST(FaultDecoder, UnreadableMissingOrFutureTimeBecomesNow) {
  EXPECT_EQ(Fault(With("timestamp", "not a time")).timestamp, kNow);
  EXPECT_EQ(Fault(With("timestamp", 1766052000)).timestamp, kNow);
  EXPECT_EQ(Fault(Without("timestamp")).timestamp, kNow);
  EXPECT_EQ(Fault(With("timestamp", "2026-01-01T00:00:01Z")).timestamp, kNow);
  EXPECT_EQ(Fault(With("timestamp", "2026-01-01T00:00:00Z")).timestamp, kNow);
}

// --- events that came another way -----------------------------------------------------------

TEST(Normalize, NormalizeBoundsAndChecksLikeTheDecoder) {
  FaultEvent event;
  event.fault_type = "CrashLoop";
  event.resource.kind = "Pod";
  event.resource.name.assign(300, 'n');
  event.received_at = kNow;
  event.timestamp = kNow + 1h;
  EXPECT_FALSE(Normalize(event));
  EXPECT_EQ(event.resource.name.size(), kMaxName);
  EXPECT_EQ(event.timestamp, kNow);
  event.resource.name = "a\xFF";
  EXPECT_FALSE(Normalize(event));
  EXPECT_EQ(event.resource.name, "a\xEF\xBF\xBD") << "invalid UTF-8 is replaced";
  event.resource.name.clear();
  EXPECT_EQ(Normalize(event)->reason, "schema");
}

}  // namespace
}  // namespace runner::ingest
