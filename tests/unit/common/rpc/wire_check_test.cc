#include "common/rpc/wire_check.h"

#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "common/domain/text_limits.h"
#include "runner/v1/dispatch.pb.h"

namespace runner {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using ::testing::Optional;
using ::testing::StartsWith;

constexpr const char* kId = "01890000-0000-7000-8000-000000000001";

void Fill(v1::Lease* lease) {
  lease->set_incident_id(kId);
  lease->set_attempt(1);
}

// A valid message of each kind.
std::vector<v1::ExecutorMessage> ExecutorMessages() {
  std::vector<v1::ExecutorMessage> all(8);
  all[0].mutable_hello()->set_executor_id("e");
  all[0].mutable_hello()->set_slots(5);
  Fill(all[0].mutable_hello()->add_running());
  Fill(all[0].mutable_hello()->add_results_waiting());
  all[1].mutable_credits()->set_total(5);
  Fill(all[2].mutable_accepted()->mutable_lease());
  Fill(all[3].mutable_rejected()->mutable_lease());
  all[3].mutable_rejected()->set_reason("shortage");
  Fill(all[4].mutable_started()->mutable_lease());
  Fill(all[5].mutable_result()->mutable_lease());
  all[5].mutable_result()->mutable_outcome()->set_status("failure");
  all[6].mutable_keep_alive()->set_seq(1);
  all[7].mutable_draining();
  return all;
}
std::vector<v1::IngestMessage> IngestMessages() {
  std::vector<v1::IngestMessage> all(6);
  all[0].mutable_welcome()->set_ingest_id(kId);
  all[0].mutable_welcome()->mutable_keep_alive_interval()->set_seconds(5);
  all[0].mutable_welcome()->mutable_lease_ttl()->set_seconds(60);
  Fill(all[0].mutable_welcome()->add_decisions()->mutable_lease());
  Fill(all[1].mutable_offer()->mutable_lease());
  v1::Incident& incident = *all[1].mutable_offer()->mutable_incident();
  incident.set_incident_id(kId);
  incident.set_cluster("prod");
  incident.set_severity("error");
  incident.mutable_resource()->set_kind("Pod");
  all[2].mutable_keep_alive_ack()->set_seq(1);
  Fill(all[3].mutable_result_ack()->mutable_lease());
  Fill(all[4].mutable_cancel()->mutable_lease());
  all[4].mutable_cancel()->set_reason("stale");
  all[5].mutable_drain();
  return all;
}

// Calls `broken` for each field of the message and its submessages that its type does not bound:
// the first argument is its path, the second sets a value far beyond any bound.
void ForEachUnbounded(
    Message& message, const std::string& path,
    const std::function<void(const std::string&, std::function<void()>)>& broken) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  const Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    const std::string name = path + (path.empty() ? "" : ".") + field->name();
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (field->is_repeated()) {
      ASSERT_TRUE(is_message) << name << " needs a bound";
      broken(name, [&reflection, &message, field] {
        for (int n = 0; n < 100'000; ++n) {
          reflection.AddMessage(&message, field)
              ->CopyFrom(reflection.GetRepeatedMessage(message, field, 0));
        }
      });
      ForEachUnbounded(*reflection.MutableRepeatedMessage(&message, field, 0), name, broken);
    } else if (is_message &&
               (field->containing_oneof() == nullptr || reflection.HasField(message, field))) {
      ForEachUnbounded(*reflection.MutableMessage(&message, field), name, broken);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      broken(name, [&reflection, &message, field] {
        reflection.SetString(&message, field, std::string(std::size_t{2} << 20, 'x'));
      });
    }
  }
}

template <typename Messages>
int ExpectEveryFieldBounded(Messages messages) {
  int fields = 0;
  for (auto& message : messages) {
    EXPECT_EQ(WhyInvalid(message), std::nullopt) << message.ShortDebugString();
    const auto& valid = message;
    std::vector<std::string> names;
    auto scratch = message;
    ForEachUnbounded(scratch, "", [&](const std::string& name, const std::function<void()>&) {
      names.push_back(name);
    });
    for (const std::string& wanted : names) {
      auto bad = valid;
      ForEachUnbounded(bad, "", [&](const std::string& name, const std::function<void()>& spoil) {
        if (name == wanted) spoil();
      });
      const auto problem = WhyInvalid(bad);
      EXPECT_NE(problem, std::nullopt) << wanted << " has no bound";
      EXPECT_LT(problem.value_or("").size(), 300u) << "the message repeats the value";
      ++fields;
    }
  }
  return fields;
}

TEST(WireCheckTest, EveryStringAndListOfAnExecutorMessageHasABound) {
  EXPECT_GE(ExpectEveryFieldBounded(ExecutorMessages()), 14);
}

TEST(WireCheckTest, EveryStringAndListOfAnIngestMessageHasABound) {
  EXPECT_GE(ExpectEveryFieldBounded(IngestMessages()), 17);
}

TEST(WireCheckTest, TheProblemNamesTheField) {
  struct Case {
    const char* field;
    std::size_t message;
    std::function<void(v1::ExecutorMessage&)> spoil;
  };
  const std::vector<Case> cases = {
      {"hello.executor_id: 254 bytes; expected 1 to 253", 0,
       [](auto& m) { m.mutable_hello()->set_executor_id(std::string(254, 'e')); }},
      {"hello.executor_id: 0 bytes", 0, [](auto& m) { m.mutable_hello()->clear_executor_id(); }},
      {"hello.boot_id: 65 bytes", 0,
       [](auto& m) { m.mutable_hello()->set_boot_id(std::string(65, 'b')); }},
      {"hello.version: 129 bytes", 0,
       [](auto& m) { m.mutable_hello()->set_version(std::string(129, 'v')); }},
      {"hello.slots: 0; expected 1 to 1000", 0, [](auto& m) { m.mutable_hello()->clear_slots(); }},
      {"hello.slots: 1001", 0, [](auto& m) { m.mutable_hello()->set_slots(1001); }},
      {"hello.stop_budget: -1 s", 0,
       [](auto& m) { m.mutable_hello()->mutable_stop_budget()->set_seconds(-1); }},
      {"hello.running.incident_id: 2 bytes", 0,
       [](auto& m) { m.mutable_hello()->mutable_running(0)->set_incident_id(".."); }},
      {"hello.results_waiting: 11001 entries", 0,
       [](auto& m) {
         while (m.hello().results_waiting_size() <= 11'000) {
           Fill(m.mutable_hello()->add_results_waiting());
         }
       }},
      {"accepted.lease.incident_id: 36 bytes that are not an id; expected a lower-case UUID", 2,
       [](auto& m) {
         m.mutable_accepted()->mutable_lease()->set_incident_id(
             "01890000-0000-7000-8000-00000000000A");
       }},
      {"rejected.reason: 65 bytes; expected 0 to 64", 3,
       [](auto& m) { m.mutable_rejected()->set_reason(std::string(65, 'r')); }},
      {"started.lease.incident_id: 0 bytes", 4,
       [](auto& m) { m.mutable_started()->clear_lease(); }},
      {"started.started_at: invalid time", 4,
       [](auto& m) { m.mutable_started()->mutable_started_at()->set_nanos(-1); }},
      {"result.outcome.status: unknown", 5,
       [](auto& m) { m.mutable_result()->mutable_outcome()->set_status("odd"); }},
      {"result.outcome.started_at: invalid time", 5,
       [](auto& m) { m.mutable_result()->mutable_outcome()->mutable_started_at()->set_nanos(-1); }},
      {"result.outcome.finished_at: invalid time", 5,
       [](auto& m) {
         m.mutable_result()->mutable_outcome()->mutable_finished_at()->set_nanos(-1);
       }},
      {"result.outcome.report: 65537 bytes; expected 0 to 65536", 5,
       [](auto& m) {
         m.mutable_result()->mutable_outcome()->set_report(std::string(kMaxReport + 1, 'r'));
       }},
      {"result.outcome.workspace: 4097 bytes", 5,
       [](auto& m) {
         m.mutable_result()->mutable_outcome()->set_workspace(std::string(4097, '/'));
       }},
      {"result.outcome.last_output: 1025 bytes", 5,
       [](auto& m) {
         m.mutable_result()->mutable_outcome()->set_last_output(std::string(1025, 'o'));
       }},
      {"result.outcome.duration: -1 s", 5,
       [](auto& m) { m.mutable_result()->mutable_outcome()->mutable_duration()->set_seconds(-1); }},
  };
  for (const Case& c : cases) {
    v1::ExecutorMessage message = ExecutorMessages()[c.message];
    c.spoil(message);
    EXPECT_THAT(WhyInvalid(message), Optional(StartsWith(c.field)));
  }
}

TEST(WireCheckTest, ValuesFromIngestHaveRanges) {
  const auto welcome = [](const std::function<void(v1::Welcome&)>& spoil) {
    v1::IngestMessage message = IngestMessages()[0];
    spoil(*message.mutable_welcome());
    return WhyInvalid(message);
  };
  EXPECT_THAT(
      welcome([](v1::Welcome& w) {
        w.mutable_keep_alive_interval()->set_seconds(0);
        w.mutable_keep_alive_interval()->set_nanos(1);
      }),
      Optional(std::string("welcome.keep_alive_interval: 1e-09 s; expected 0.1 s to 3600 s")));
  EXPECT_THAT(welcome([](v1::Welcome& w) { w.mutable_keep_alive_interval()->set_seconds(-5); }),
              Optional(StartsWith("welcome.keep_alive_interval")));
  EXPECT_THAT(welcome([](v1::Welcome& w) { w.mutable_lease_ttl()->set_seconds(86'401); }),
              Optional(StartsWith("welcome.lease_ttl")));
  EXPECT_EQ(welcome([](v1::Welcome& w) { w.clear_keep_alive_interval(); }), std::nullopt);

  // Ids and clusters are used as file names.
  for (const char* name : {"", ".", "..", ".hidden", "a/b", "../../etc/passwd"}) {
    v1::IngestMessage message = IngestMessages()[1];
    message.mutable_offer()->mutable_incident()->set_cluster(name);
    EXPECT_THAT(WhyInvalid(message), Optional(StartsWith("offer.incident.cluster"))) << name;
    message = IngestMessages()[1];
    message.mutable_offer()->mutable_lease()->set_incident_id(name);
    message.mutable_offer()->mutable_incident()->set_incident_id(name);
    EXPECT_THAT(WhyInvalid(message), Optional(StartsWith("offer.lease.incident_id"))) << name;
  }
  v1::IngestMessage message = IngestMessages()[1];
  message.mutable_offer()->mutable_incident()->set_incident_id(
      "01890000-0000-7000-8000-000000000002");
  EXPECT_THAT(WhyInvalid(message), Optional(StartsWith("offer.incident.incident_id")));

  const auto with_time = [](google::protobuf::Timestamp* (v1::Incident::*field)()) {
    v1::IngestMessage offer = IngestMessages()[1];
    (offer.mutable_offer()->mutable_incident()->*field)()->set_nanos(-1);
    return WhyInvalid(offer);
  };
  EXPECT_THAT(with_time(&v1::Incident::mutable_timestamp),
              Optional(StartsWith("offer.incident.timestamp: invalid time")));
  EXPECT_THAT(with_time(&v1::Incident::mutable_received_at),
              Optional(StartsWith("offer.incident.received_at: invalid time")));
  EXPECT_THAT(with_time(&v1::Incident::mutable_last_seen_at),
              Optional(StartsWith("offer.incident.last_seen_at: invalid time")));
}

TEST(WireCheckTest, MessagesOfUnknownKindsAreValid) {
  EXPECT_EQ(WhyInvalid(v1::ExecutorMessage()), std::nullopt);
  EXPECT_EQ(WhyInvalid(v1::IngestMessage()), std::nullopt);
}

}  // namespace
}  // namespace runner
