// Mutual TLS and the shared token between ingest, executors and operators.

#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include "runner/v1/executor_admin.grpc.pb.h"
#include "runner/v1/ingest_admin.grpc.pb.h"
#include "tests/support/eventually.h"
#include "tests/support/grpcurl.h"
#include "tests/support/system_test.h"
#include "tests/support/tls_keys.h"

namespace runner {
namespace {

using namespace support;
using namespace std::chrono_literals;
using testing::HasSubstr;

class TlsTest : public SystemTest {
 protected:
  void SetUp() override {
    SystemTest::SetUp();
    keys_ = std::make_unique<TlsKeys>(system_->directory() / "keys");
    system_->CallWith(keys_->Operator());
  }

  static bool Says(const ServiceProcess& service, const char* message, const std::string& text) {
    return service.log().ComesToSay(message, text);
  }
  void ExpectNotAttached() {
    EXPECT_EQ(system_->executor().Health("/readyz").status, 503);
    EXPECT_EQ(system_->ingest().Metrics().Sum("executors_connected"), 0);
  }

  static constexpr const char* kRefused = "TLS peer rejected";
  static constexpr const char* kNotAttached = "Not attached to ingest, retrying";
  static constexpr const char* kOwn = "TLS certificate not acceptable to peers";
  const CertificateWish kIngest{.subject = "ingest"};
  const CertificateWish kExecutor{.subject = "executor"};
  std::unique_ptr<TlsKeys> keys_;
};

TEST_F(TlsTest, AnExecutorWithACertificateRunsAnIncident) {
  system_->StartIngest(keys_->FlagsFor(kIngest));
  system_->StartExecutor({"true"}, keys_->FlagsFor(kExecutor));
  system_->AwaitAttached();
  EXPECT_EQ(system_->AwaitFinished(system_->Submit("a")).status(), "success");
}

TEST_F(TlsTest, AnExpiredCertificateIsRejectedAndLoggedUntilItIsRenewed) {
  system_->StartIngest(keys_->FlagsFor(kIngest));
  CertificateWish expired = kExecutor;
  expired.from = -2h;
  expired.until = -1h;
  ServiceProcess& executor = system_->StartExecutor({"true"}, keys_->FlagsFor(expired));
  EXPECT_TRUE(
      Says(system_->ingest(), kRefused, "certificate of executor: certificate has expired"));
  EXPECT_TRUE(Says(executor, kNotAttached, "certificate has expired"));
  EXPECT_TRUE(Says(executor, kOwn, "certificate has expired"));
  ExpectNotAttached();

  keys_->FlagsFor(kExecutor);
  system_->AwaitAttached();
  EXPECT_EQ(system_->AwaitFinished(system_->Submit("a")).status(), "success");
}

TEST_F(TlsTest, ACertificateOfAnotherAuthorityIsRejectedAndLogged) {
  system_->StartIngest(keys_->FlagsFor(kIngest));
  const TestCertificate other("other");
  ServiceProcess& executor = system_->StartExecutor(
      {"true"}, keys_->FlagsFor("executor", other.Issue(kExecutor), keys_->root().pem()));
  EXPECT_TRUE(Says(system_->ingest(), kRefused, "other is not a trusted authority"));
  EXPECT_TRUE(Says(executor, kNotAttached, "other is not a trusted authority"));
  ExpectNotAttached();
}

TEST_F(TlsTest, AnExecutorWithoutTlsIsRejectedWithAHint) {
  system_->StartIngest(keys_->FlagsFor(kIngest));
  ServiceProcess& executor = system_->StartExecutor({"true"});
  EXPECT_TRUE(Says(executor, kNotAttached, "check whether ingest requires TLS (--grpc-tls-cert)"));
  ExpectNotAttached();
}

TEST_F(TlsTest, AnExecutorDoesNotAttachToAnIngestWithoutTls) {
  system_->StartIngest();
  ServiceProcess& executor = system_->StartExecutor({"true"}, keys_->FlagsFor(kExecutor));
  EXPECT_TRUE(Says(executor, kNotAttached, "check whether ingest uses TLS (--grpc-tls-cert)"));
  ExpectNotAttached();
}

TEST_F(TlsTest, AClientWithoutACertificateIsRejectedAndLogged) {
  system_->StartIngest(keys_->FlagsFor(kIngest));
  IngestClient stranger(system_->ingest_address(),
                        grpc::SslCredentials({keys_->root().pem(), "", ""}));
  EXPECT_THROW(stranger.Status(), std::runtime_error);
  EXPECT_TRUE(Says(system_->ingest(), kRefused, "the peer presented no certificate"));
}

TEST_F(TlsTest, AnIngestWithAnExpiredCertificateIsRejectedAndLogged) {
  CertificateWish expired = kIngest;
  expired.from = -2h;
  expired.until = -1h;
  ServiceProcess& ingest = system_->StartIngest(keys_->FlagsFor(expired));
  ServiceProcess& executor = system_->StartExecutor({"true"}, keys_->FlagsFor(kExecutor));
  EXPECT_TRUE(Says(executor, kRefused, "certificate of ingest: certificate has expired"));
  EXPECT_TRUE(Says(executor, kNotAttached, "certificate of ingest: certificate has expired"));
  EXPECT_TRUE(Says(ingest, kOwn, "certificate of ingest: certificate has expired"));
  ExpectNotAttached();
}

TEST_F(TlsTest, AnExecutorDoesNotAttachToAnIngestOfAnotherName) {
  CertificateWish elsewhere = kIngest;
  elsewhere.names = "DNS:elsewhere";
  system_->StartIngest(keys_->FlagsFor(elsewhere));
  ServiceProcess& executor = system_->StartExecutor({"true"}, keys_->FlagsFor(kExecutor));
  EXPECT_TRUE(Says(executor, kNotAttached, "valid for elsewhere, not for 127.0.0.1"));
  ExpectNotAttached();
}

// Moves to another authority without downtime: first all peers trust both, then each certificate is
// renewed, then no peer trusts the old one. The processes are never restarted.
TEST_F(TlsTest, AnAuthorityIsReplacedWithoutARestart) {
  const std::string address = system_->ingest_address();
  ServiceProcess& ingest = system_->StartIngest(keys_->FlagsFor(kIngest));
  system_->StartExecutor({"true"}, keys_->FlagsFor(kExecutor));
  system_->AwaitAttached();

  const TestCertificate next("next authority");
  const std::string both = keys_->root().pem() + next.pem();
  keys_->FlagsFor("ingest", next.Issue(kIngest), both);
  keys_->FlagsFor("executor", next.Issue(kExecutor), both);
  const TestCertificate own = next.Issue({.subject = "operator"});
  system_->CallWith(grpc::SslCredentials({next.pem(), own.key_pem(), own.pem()}));
  EXPECT_TRUE(Eventually([&] {
    try {
      return system_->Admin().Status().executors_size() == 1;
    } catch (const std::runtime_error&) {
      return false;  // ingest still uses its old certificate
    }
  }));
  EXPECT_EQ(system_->AwaitFinished(system_->Submit("a")).status(), "success")
      << "existing connections continue";
  EXPECT_EQ(system_->executor().log().With("Attached to ingest").size(), 1u);

  keys_->FlagsFor("ingest", next.Issue(kIngest), next.pem());
  const TestCertificate of_before = keys_->root().Issue({.subject = "operator"});
  const auto with_the_old_one = [&] {
    return IngestClient(address,
                        grpc::SslCredentials({next.pem(), of_before.key_pem(), of_before.pem()}));
  };
  EXPECT_TRUE(Eventually([&] {
    try {
      return with_the_old_one().Status().executors_size() < 0;
    } catch (const std::runtime_error&) {
      return true;
    }
  })) << "ingest still trusts the old authority";
  EXPECT_TRUE(Says(ingest, kRefused, "authority is not a trusted authority"));

  ingest.Terminate();
  EXPECT_EQ(ingest.WaitForExit(10s), 0);
  Words flags = keys_->FlagsFor("ingest", next.Issue(kIngest), next.pem());
  system_->StartIngest(flags);
  EXPECT_TRUE(Eventually([&] { return system_->Admin().Status().executors_size() == 1; }))
      << "the executor shows its renewed certificate";
  EXPECT_EQ(system_->AwaitFinished(system_->Submit("b")).status(), "success");
}

// As seen during a renewal that rewrites the files. gRPC itself would abort.
TEST_F(TlsTest, TemporarilyEmptyOrMissingFilesChangeNothing) {
  const Words of_ingest = keys_->FlagsFor(kIngest);
  const Words of_executor = keys_->FlagsFor(kExecutor);
  ServiceProcess& ingest = system_->StartIngest(of_ingest);
  ServiceProcess& executor = system_->StartExecutor({"true"}, of_executor);
  system_->AwaitAttached();
  const auto break_and_mend = [](ServiceProcess& owner, const std::string& flag) {
    const std::string path = flag.substr(flag.find('=') + 1);
    const std::string whole = ReadFile(path);
    const auto good = [&] { return owner.log().With("TLS certificate loaded").size(); };
    const std::size_t before = good();
    WriteFile(path, "");
    EXPECT_TRUE(Says(owner, "TLS files not reloaded", path)) << path;
    std::filesystem::remove(path);
    EXPECT_TRUE(Says(owner, "TLS files not reloaded", path + ": No such file")) << path;
    WriteFile(path, whole);
    EXPECT_TRUE(Eventually([&] { return good() > before; })) << path;
  };
  for (const std::string& flag : of_ingest) break_and_mend(ingest, flag);
  break_and_mend(executor, of_executor.at(1));
  EXPECT_EQ(system_->Admin().Status().executors_size(), 1) << "a new connection";
  EXPECT_EQ(system_->AwaitFinished(system_->Submit("a")).status(), "success");
}

TEST_F(TlsTest, ACertificateRenewedInPlaceIsUsedOnceItsKeyMatches) {
  ServiceProcess& ingest = system_->StartIngest(keys_->FlagsFor(kIngest));
  const auto folder = system_->directory() / "keys" / "ingest" / "current";
  CertificateWish renewed = kIngest;
  renewed.subject = "renewed";
  const TestCertificate next = keys_->root().Issue(renewed);
  WriteFile(folder / "tls.crt", next.pem());
  EXPECT_TRUE(Says(ingest, "TLS files not reloaded", "does not match the certificate"));
  EXPECT_EQ(system_->Admin().Status().executors_size(), 0) << "the old certificate is still used";
  WriteFile(folder / "tls.key", next.key_pem());
  EXPECT_TRUE(Eventually(
      [&] { return ingest.log().Has("TLS certificate loaded", {{"subject", "renewed"}}); }));
  EXPECT_EQ(system_->Admin().Status().executors_size(), 0);
}

TEST_F(TlsTest, APlainTextPeerIsLogged) {
  ServiceProcess& ingest = system_->StartIngest(keys_->FlagsFor(kIngest));
  IngestClient plain(system_->ingest_address());
  EXPECT_THROW(plain.Status(), std::runtime_error);
  EXPECT_TRUE(Says(ingest, "TLS handshake failed", "wrong version number"));
}

class SharedTokenTest : public SystemTest {
 protected:
  void SetUp() override {
    SystemTest::SetUp();
    file_ = system_->directory() / "token";
    WriteFile(file_, "first\n");
    flags_ = {"--grpc-token-file", file_};
  }
  // A call with this authorization, or without one.
  template <typename Call>
  static grpc::Status With(const std::string& authorization, Call call) {
    grpc::ClientContext context;
    Limit(context);
    if (!authorization.empty()) context.AddMetadata("authorization", authorization);
    return call(&context);
  }
  grpc::Status Submit(const std::string& authorization, const std::string& pod) {
    const auto stub = v1::IngestAdmin::NewStub(ChannelTo(system_->ingest_address()));
    return With(authorization, [&](grpc::ClientContext* context) {
      v1::SubmitEventResponse response;
      return stub->SubmitEvent(context, System::Event(pod), &response);
    });
  }

  std::string file_;
  Words flags_;
};

TEST_F(SharedTokenTest, AnExecutorWithoutTheTokenIsRejectedAndLogged) {
  system_->StartIngest(flags_);
  ServiceProcess& executor = system_->StartExecutor({"true"});
  EXPECT_TRUE(Eventually([&] {
    const auto lines = executor.log().With("Not attached to ingest, retrying");
    return !lines.empty() && lines.back().at("error").get<std::string>().find(
                                 "--grpc-token-file") != std::string::npos;
  }));
  EXPECT_TRUE(Eventually(
      [&] { return system_->ingest().log().Has("Call rejected", {{"error", "no token"}}); }));
  EXPECT_EQ(executor.Health("/readyz").status, 503);
}

TEST_F(SharedTokenTest, AnExecutorWithTheTokenAttaches) {
  system_->StartIngest(flags_);
  system_->StartExecutor({"true"}, flags_);
  system_->AwaitAttached();
  ASSERT_TRUE(Submit("Bearer first", "a").ok());
  EXPECT_EQ(system_->AwaitFinished(1).front().status(), "success");
}

TEST_F(SharedTokenTest, OnlyCallsThatChangeStateNeedTheToken) {
  system_->StartIngest(flags_);
  const auto stub = v1::IngestAdmin::NewStub(ChannelTo(system_->ingest_address()));
  const auto cancel = [&](grpc::ClientContext* context) {
    v1::CancelIncidentResponse response;
    return stub->CancelIncident(context, {}, &response);
  };
  const auto rerun = [&](grpc::ClientContext* context) {
    v1::RerunIncidentResponse response;
    return stub->RerunIncident(context, {}, &response);
  };
  const auto reset = [&](grpc::ClientContext* context) {
    v1::ResetCircuitBreakerResponse response;
    return stub->ResetCircuitBreaker(context, {}, &response);
  };
  for (const char* shown :
       {"", "first", "Bearer firs", "Bearer first ", "Bearer second", "bearer"}) {
    EXPECT_EQ(Submit(shown, "a").error_code(), grpc::StatusCode::UNAUTHENTICATED) << shown;
    EXPECT_EQ(With(shown, cancel).error_code(), grpc::StatusCode::UNAUTHENTICATED) << shown;
    EXPECT_EQ(With(shown, rerun).error_code(), grpc::StatusCode::UNAUTHENTICATED) << shown;
    EXPECT_EQ(With(shown, reset).error_code(), grpc::StatusCode::UNAUTHENTICATED) << shown;
  }
  EXPECT_TRUE(Submit("Bearer first", "a").ok());
  EXPECT_EQ(With("Bearer first", cancel).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(With("Bearer first", rerun).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(With("Bearer first", reset).ok());
  EXPECT_EQ(system_->Admin().Status().incidents_queued(), 1u);
}

TEST_F(SharedTokenTest, CancelRunNeedsTheToken) {
  system_->StartIngest(flags_);
  ServiceProcess& executor = system_->StartExecutor({"sleep", "60"}, flags_);
  system_->AwaitAttached();
  ASSERT_TRUE(Submit("Bearer first", "a").ok());
  const std::string id = system_->Admin().List().front().incident().incident_id();
  system_->AwaitAgentStarted(id);
  const auto stub = v1::ExecutorAdmin::NewStub(ChannelTo(executor.grpc()));
  const auto cancel = [&](grpc::ClientContext* context) {
    v1::CancelRunRequest request;
    request.set_incident_id(id);
    v1::CancelRunResponse response;
    return stub->CancelRun(context, request, &response);
  };
  EXPECT_EQ(With("", cancel).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(With("Bearer other", cancel).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_TRUE(With("Bearer first", cancel).ok());
  EXPECT_EQ(system_->AwaitFinished(id).status(), "cancelled");
}

TEST_F(SharedTokenTest, AReplacedTokenAppliesAtOnceAndAMissingFileRejectsAllCalls) {
  system_->StartIngest(flags_);
  WriteFile(file_, "second");
  EXPECT_EQ(Submit("Bearer first", "a").error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_TRUE(Submit("Bearer second", "a").ok());
  std::filesystem::remove(file_);
  EXPECT_EQ(Submit("Bearer second", "b").error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Submit("Bearer ", "b").error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

class SecuredGrpcurlTest : public SystemTest {
 protected:
  void SetUp() override {
    RUNNER_SKIP_IF_MISSING(Grpcurl::Missing());
    SystemTest::SetUp();
    grpcurl_ = std::make_unique<Grpcurl>(system_->directory());
  }

  static constexpr const char* kGetStatus = "runner.v1.IngestAdmin/GetStatus";
  std::unique_ptr<Grpcurl> grpcurl_;
};

TEST_F(SecuredGrpcurlTest, AUnixSocketNeedsNoTls) {
  const TlsKeys keys(system_->directory() / "keys");
  const std::string socket = system_->directory() / "ingest.sock";
  Words flags = keys.FlagsFor({.subject = "ingest"});
  flags.insert(flags.end(), {"--grpc-listen", "unix:" + socket});
  system_->StartIngest(flags);
  const auto listed = (*grpcurl_)({"-plaintext", "-unix", socket, "list"});
  EXPECT_THAT(listed.out, HasSubstr("runner.v1.IngestAdmin")) << listed.error;
  const auto status = (*grpcurl_)({"-plaintext", "-unix", socket, kGetStatus});
  EXPECT_THAT(status.out, HasSubstr("\"version\"")) << status.error;
}

TEST_F(SecuredGrpcurlTest, MutualTlsNeedsAClientCertificate) {
  const TlsKeys keys(system_->directory() / "keys");
  system_->CallWith(keys.Operator());
  system_->StartIngest(keys.FlagsFor({.subject = "ingest", .names = "DNS:event-runner"}));
  const auto own = system_->directory() / "operator";
  keys.root().Issue({.subject = "operator"}).Write(own, keys.root().pem());
  const std::string ca = own / "current/ca.crt";
  // A forwarded port is not dialled by the name in the certificate.
  const Words trusting = {"-cacert", ca, "-servername", "event-runner"};
  Words with = trusting;
  with.insert(with.end(), {"-cert", own / "current/tls.crt", "-key", own / "current/tls.key",
                           system_->ingest_address(), kGetStatus});
  const auto status = (*grpcurl_)(with);
  EXPECT_EQ(status.exit_code, 0) << status.error;
  EXPECT_THAT(status.out, HasSubstr("\"version\""));
  Words without = trusting;
  without.insert(without.end(), {system_->ingest_address(), kGetStatus});
  EXPECT_NE((*grpcurl_)(without).exit_code, 0);
  EXPECT_NE((*grpcurl_)({"-plaintext", system_->ingest_address(), kGetStatus}).exit_code, 0);
}

}  // namespace
}  // namespace runner
