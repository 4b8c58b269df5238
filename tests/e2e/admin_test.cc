// The gRPC calls of operators, with our stubs and with grpcurl.

#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <nlohmann/json.hpp>

#include "grpc/health/v1/health.grpc.pb.h"
#include "runner/v1/ingest_admin.grpc.pb.h"
#include "tests/support/eventually.h"
#include "tests/support/grpcurl.h"
#include "tests/support/system_test.h"

namespace runner {
namespace {

using namespace support;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::array<const char*, 3> kOfIngest = {"runner.v1.Dispatcher", "runner.v1.IngestAdmin",
                                                  "grpc.health.v1.Health"};
constexpr std::array<const char*, 2> kOfExecutor = {"runner.v1.ExecutorAdmin",
                                                    "grpc.health.v1.Health"};

class AdminTest : public SystemTest {
 protected:
  void SetUp() override {
    SystemTest::SetUp();
    system_->StartWithoutPeer({system_->TestAgent(), "report", "500"}, {},
                              {"--report-file", "output/investigation.md"});
  }
};

std::string Health(const std::string& address, const std::string& service) {
  using grpc::health::v1::HealthCheckResponse;
  const auto stub = grpc::health::v1::Health::NewStub(ChannelTo(address));
  grpc::ClientContext context;
  Limit(context);
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  HealthCheckResponse response;
  const grpc::Status status = stub->Check(&context, request, &response);
  if (!status.ok()) return "error " + std::to_string(status.error_code());
  return HealthCheckResponse::ServingStatus_Name(response.status());
}

using AdminPagesTest = SystemTest;

// Returns the clusters of all pages of a response, in order.
template <typename Response, typename Call>
Words AllPages(Call call, std::uint32_t page_size, int* pages) {
  Words names;
  std::string token;
  do {
    Response response;
    const grpc::Status status = call(page_size, token, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    for (const auto& cluster : response.clusters()) names.push_back(cluster.name());
    token = status.ok() ? response.next_page_token() : "";
    ++*pages;
  } while (!token.empty() && *pages < 100);
  return names;
}

TEST_F(AdminPagesTest, ClustersBeyondOneResponseArePaged) {
  // 2,000 endpoints of 2,000 bytes exceed the 4 MiB of a message.
  Endpoints endpoints;
  Words expected;
  for (int i = 0; i < 2000; ++i) {
    expected.push_back("c" + std::to_string(i));
    endpoints.emplace_back(expected.back(), "http://127.0.0.1:9/" + std::string(2000, 'p'));
  }
  system_->StartIngestAt(endpoints);
  const auto stub = v1::IngestAdmin::NewStub(ChannelTo(system_->ingest_address()));
  const auto status = [&](std::uint32_t size, const std::string& token,
                          v1::GetStatusResponse* response) {
    grpc::ClientContext context;
    Limit(context);
    v1::GetStatusRequest request;
    request.set_page_size(size);
    request.set_page_token(token);
    return stub->GetStatus(&context, request, response);
  };
  const auto clusters = [&](std::uint32_t size, const std::string& token,
                            v1::ListClustersResponse* response) {
    grpc::ClientContext context;
    Limit(context);
    v1::ListClustersRequest request;
    request.set_page_size(size);
    request.set_page_token(token);
    return stub->ListClusters(&context, request, response);
  };
  int pages = 0;
  EXPECT_EQ(AllPages<v1::GetStatusResponse>(status, 0, &pages), expected);
  EXPECT_GE(pages, 2);
  pages = 0;
  EXPECT_EQ(AllPages<v1::ListClustersResponse>(clusters, 0, &pages), expected);
  EXPECT_GE(pages, 2);
  pages = 0;
  EXPECT_EQ(AllPages<v1::ListClustersResponse>(clusters, 200, &pages), expected);
  EXPECT_EQ(pages, 10);
  for (const char* token : {"x", "-1", "1x", "99999999999999999999999", " 1"}) {
    v1::ListClustersResponse response;
    EXPECT_EQ(clusters(0, token, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT)
        << token;
    v1::GetStatusResponse other;
    EXPECT_EQ(status(0, token, &other).error_code(), grpc::StatusCode::INVALID_ARGUMENT) << token;
  }
  v1::ListClustersResponse beyond;
  EXPECT_TRUE(clusters(0, "5000", &beyond).ok());
  EXPECT_EQ(beyond.clusters_size(), 0);
}

TEST_F(AdminTest, ServesHealthForTheServerAndEachService) {
  for (ServiceProcess* service : system_->services()) {
    EXPECT_EQ(Health(service->grpc(), ""), "SERVING");
    EXPECT_EQ(Health(service->grpc(), "no.such.Service"),
              "error " + std::to_string(grpc::StatusCode::NOT_FOUND));
  }
  for (const char* name : kOfIngest) EXPECT_EQ(Health(system_->ingest().grpc(), name), "SERVING");
  for (const char* name : kOfExecutor) {
    EXPECT_EQ(Health(system_->executor().grpc(), name), "SERVING") << name;
  }
}

TEST_F(AdminTest, ASubmittedEventIsInvestigated) {
  const std::string id = system_->Submit("web-0", "critical");
  const auto incident = system_->AwaitFinished(id);
  EXPECT_EQ(incident.status(), "success") << incident.reason();
  EXPECT_EQ(incident.incident().severity(), "critical");
  EXPECT_EQ(incident.incident().context(), System::Event("web-0").context());
  EXPECT_EQ(incident.executor_id(), "executor");
  EXPECT_EQ(incident.outcome().report(), std::string(500, 'r'));
  EXPECT_EQ(incident.outcome().workspace(), system_->Workspace(id));

  const auto listed = system_->Admin().List("finished");
  ASSERT_THAT(listed, SizeIs(1));
  EXPECT_EQ(listed[0].incident().incident_id(), id);
  EXPECT_EQ(listed[0].incident().context(), "");

  const auto status = system_->Admin().Status();
  EXPECT_FALSE(status.draining());
  ASSERT_EQ(status.clusters_size(), 1);
  EXPECT_EQ(status.clusters(0).name(), System::kCluster);
  EXPECT_FALSE(status.clusters(0).connected());
  EXPECT_THAT(status.clusters(0).last_error(), HasSubstr("network"));
  ASSERT_EQ(status.executors_size(), 1);
  EXPECT_TRUE(status.executors(0).attached());
  EXPECT_TRUE(status.executors(0).sidecar());
  EXPECT_EQ(status.executors(0).slots(), 5u);
  EXPECT_EQ(status.incidents_finished().at("success"), 1u);

  const auto runs = ExecutorClient(system_->executor().grpc()).Runs();
  ASSERT_THAT(runs, SizeIs(1));
  EXPECT_EQ(runs[0].lease().incident_id(), id);
  EXPECT_EQ(runs[0].state(), "finished");
  EXPECT_EQ(runs[0].outcome().status(), "success");
  EXPECT_GT(runs[0].pid(), 0);
}

TEST_F(AdminTest, InvalidSubmissionsAreRejectedWithTheCause) {
  IngestClient admin = system_->Admin();
  const auto code = [&admin](const v1::SubmitEventRequest& request) {
    v1::SubmitEventResponse response;
    return admin.Submit(request, &response).error_code();
  };
  auto request = System::Event("web-0");
  request.set_cluster("elsewhere");
  EXPECT_EQ(code(request), grpc::StatusCode::NOT_FOUND);
  request = System::Event("web-0", "dreadful");
  EXPECT_EQ(code(request), grpc::StatusCode::INVALID_ARGUMENT);
  request = System::Event("");
  EXPECT_EQ(code(request), grpc::StatusCode::INVALID_ARGUMENT);
  request = System::Event("web-0");
  request.clear_fault_type();
  EXPECT_EQ(code(request), grpc::StatusCode::INVALID_ARGUMENT);
  request = System::Event("web-0");
  request.mutable_resource()->clear_kind();
  EXPECT_EQ(code(request), grpc::StatusCode::INVALID_ARGUMENT);

  v1::SubmitEventResponse response;
  ASSERT_TRUE(admin.Submit(System::Event("web-0", "info"), &response).ok());
  EXPECT_EQ(response.result(), "filtered");
  EXPECT_EQ(response.reason(), "severity");
  EXPECT_EQ(response.incident_id(), "");

  v1::IncidentStatus incident;
  EXPECT_EQ(admin.Get("01900000-0000-7000-8000-000000000000", &incident).error_code(),
            grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(admin.List().empty());
}

// By reflection, without our .proto files.
class GrpcurlTest : public AdminTest {
 protected:
  void SetUp() override {
    RUNNER_SKIP_IF_MISSING(Grpcurl::Missing());
    AdminTest::SetUp();
  }

  // Returns the output of `grpcurl -plaintext [-d data] ADDRESS WORDS...`.
  std::string Ask(const ServiceProcess& service, const Words& words, const std::string& data = "") {
    Words arguments = {"-plaintext"};
    if (!data.empty()) arguments.insert(arguments.end(), {"-d", data});
    arguments.push_back(service.grpc());
    arguments.insert(arguments.end(), words.begin(), words.end());
    const Grpcurl::Answer answer = Grpcurl(system_->directory())(arguments);
    EXPECT_EQ(answer.exit_code, 0) << answer.error;
    return answer.out;
  }
  // Fields have the names of the .proto files: reflection has no others.
  json Call(const ServiceProcess& service, const std::string& method, const json& data) {
    return json::parse(Ask(service, {method}, data.dump()), nullptr, false);
  }
};

TEST_F(GrpcurlTest, ListsAndDescribesEveryService) {
  const auto check = [this](const ServiceProcess& service, const auto& names) {
    const std::string list = Ask(service, {"list"});
    for (const char* name : names) {
      EXPECT_THAT(list, HasSubstr(name + std::string("\n")));
      EXPECT_THAT(Ask(service, {"describe", name}), HasSubstr("service "));
    }
  };
  check(system_->ingest(), kOfIngest);
  check(system_->executor(), kOfExecutor);
  EXPECT_THAT(Ask(system_->ingest(), {"describe", "runner.v1.IncidentStatus"}),
              HasSubstr("outcome"));
}

TEST_F(GrpcurlTest, ServesHealthAndTheAdminServices) {
  ServiceProcess& ingest = system_->ingest();
  for (ServiceProcess* service : system_->services()) {
    EXPECT_EQ(Call(*service, "grpc.health.v1.Health/Check", json::object()).at("status"),
              "SERVING");
  }
  const json submitted = Call(ingest, "runner.v1.IngestAdmin/SubmitEvent",
                              {{"cluster", System::kCluster},
                               {"fault_type", "CrashLoop"},
                               {"severity", "high"},
                               {"resource", {{"kind", "Pod"}, {"name", "web-0"}}}});
  ASSERT_EQ(submitted.at("result"), "queued");
  const std::string id = submitted.at("incident_id");
  system_->AwaitFinished(id);
  const json got =
      Call(ingest, "runner.v1.IngestAdmin/GetIncident", {{"incident_id", id}}).at("incident");
  EXPECT_EQ(got.at("status"), "success");
  EXPECT_EQ(got.at("incident").at("severity"), "error");
  EXPECT_EQ(Call(ingest, "runner.v1.IngestAdmin/ListIncidents", {{"state", "finished"}})
                .at("incidents")
                .size(),
            1u);
  EXPECT_EQ(
      Call(ingest, "runner.v1.IngestAdmin/GetStatus", json::object()).at("clusters")[0].at("name"),
      System::kCluster);
  EXPECT_EQ(Call(ingest, "runner.v1.IngestAdmin/ListClusters", json::object())
                .at("clusters")[0]
                .at("name"),
            System::kCluster);
  EXPECT_EQ(Call(ingest, "runner.v1.IngestAdmin/ExplainEvent", {{"incident_id", id}})
                .at("explanations")[0]
                .at("explanation"),
            "Investigated: success on executor executor, attempt 1.");
  EXPECT_EQ(Call(ingest, "runner.v1.IngestAdmin/ResetCircuitBreaker", json::object())
                .at("previous_state"),
            "closed");
  const ServiceProcess& executor = system_->executor();
  EXPECT_EQ(Call(executor, "runner.v1.ExecutorAdmin/GetStatus", json::object()).at("executor_id"),
            "executor");
  EXPECT_EQ(Call(executor, "runner.v1.ExecutorAdmin/ListRuns", json::object())
                .at("runs")[0]
                .at("lease")
                .at("incident_id"),
            id);
}

}  // namespace
}  // namespace runner
