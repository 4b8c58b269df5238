#include "common/security/certificates.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"
#include "tests/support/test_authority.h"

namespace runner {
namespace {

using namespace std::chrono_literals;
using support::CertificateWish;
using support::TestCertificate;
using testing::AllOf;
using testing::HasSubstr;
using testing::Optional;

class CertificatesTest : public testing::Test {
 protected:
  // Why a server of this authority rejects a client with this certificate.
  std::optional<std::string> AsClient(const CertificateWish& wish) const {
    return Refused({root_.Issue(wish).pem(), ""}, root_.pem());
  }
  std::optional<std::string> AsServer(const CertificateWish& wish, const std::string& host) const {
    return Refused({root_.Issue(wish).pem(), ""}, root_.pem(), TlsRole::kServer, host);
  }
  static std::optional<std::string> Refused(const PeerCertificate& peer,
                                            const std::string& authorities,
                                            TlsRole role = TlsRole::kClient,
                                            const std::string& host = "") {
    const auto refusal = WhyRefused(peer, authorities, role, host);
    return refusal ? std::optional(refusal->text) : std::nullopt;
  }

  const TestCertificate root_{"root"};
};

TEST_F(CertificatesTest, CertificateOfTheAuthorityIsAccepted) {
  EXPECT_EQ(AsClient({.subject = "executor"}), std::nullopt);
  EXPECT_EQ(AsServer({.subject = "ingest"}, "127.0.0.1"), std::nullopt);
}

TEST_F(CertificatesTest, MissingCertificateIsRejected) {
  EXPECT_THAT(Refused({}, root_.pem()), Optional(HasSubstr("no certificate")));
  EXPECT_THAT(Refused({"garbage", ""}, root_.pem()), Optional(HasSubstr("no certificate")));
}

TEST_F(CertificatesTest, ExpiredCertificateIsRejectedWithTheTime) {
  EXPECT_THAT(AsClient({.subject = "executor", .from = -2h, .until = -1h}),
              Optional(AllOf(HasSubstr("executor"), HasSubstr("has expired on 20"))));
}

TEST_F(CertificatesTest, CertificateThatIsNotYetValidIsRejectedWithTheTime) {
  EXPECT_THAT(AsClient({.subject = "executor", .from = 1h}),
              Optional(HasSubstr("not yet valid until 20")));
}

TEST_F(CertificatesTest, CertificateOfAnotherAuthorityIsRejectedEvenIfTheNamesAreEqual) {
  const TestCertificate other("other");
  EXPECT_THAT(Refused({other.Issue({.subject = "executor"}).pem(), ""}, root_.pem()),
              Optional(HasSubstr("other is not a trusted authority")));
  const TestCertificate same_name("root");
  EXPECT_NE(Refused({same_name.Issue({.subject = "executor"}).pem(), same_name.pem()}, root_.pem()),
            std::nullopt);
}

TEST_F(CertificatesTest, SelfSignedCertificateIsRejected) {
  const TestCertificate self("executor");
  EXPECT_NE(Refused({self.pem(), ""}, root_.pem()), std::nullopt);
}

TEST_F(CertificatesTest, CertificateSignedByALeafIsRejected) {
  const TestCertificate leaf = root_.Issue({.subject = "leaf"});
  EXPECT_NE(Refused({leaf.Issue({.subject = "executor"}).pem(), leaf.pem()}, root_.pem()),
            std::nullopt);
}

TEST_F(CertificatesTest, IntermediateAuthorityIsAcceptedIfItIsSent) {
  const TestCertificate between =
      root_.Issue({.subject = "between", .names = "", .usage = "", .is_authority = true});
  const std::string leaf = between.Issue({.subject = "executor"}).pem();
  EXPECT_EQ(Refused({leaf, leaf + between.pem()}, root_.pem()), std::nullopt);
  EXPECT_THAT(Refused({leaf, ""}, root_.pem()),
              Optional(HasSubstr("between is not a trusted authority")));
  EXPECT_EQ(Refused({leaf, ""}, between.pem()), std::nullopt)
      << "a listed certificate is trusted even if it is not a root";
}

TEST_F(CertificatesTest, ExpiredIntermediateAuthorityIsNamed) {
  const TestCertificate between = root_.Issue({.subject = "between",
                                               .names = "",
                                               .usage = "",
                                               .from = -2h,
                                               .until = -1h,
                                               .is_authority = true});
  EXPECT_THAT(Refused({between.Issue({.subject = "executor"}).pem(), between.pem()}, root_.pem()),
              Optional(AllOf(HasSubstr("between in its chain"), HasSubstr("has expired"))));
}

TEST_F(CertificatesTest, CertificateForTheOtherRoleIsRejected) {
  EXPECT_NE(AsClient({.subject = "ingest", .usage = "serverAuth"}), std::nullopt);
  EXPECT_NE(AsServer({.subject = "executor", .usage = "clientAuth"}, "127.0.0.1"), std::nullopt);
  EXPECT_EQ(AsClient({.subject = "any", .usage = ""}), std::nullopt);
}

TEST_F(CertificatesTest, ServerCertificateMustMatchTheHost) {
  const CertificateWish named{.subject = "ingest",
                              .names = "DNS:event-runner,DNS:*.svc.example,IP:198.18.0.1"};
  EXPECT_EQ(AsServer(named, "event-runner"), std::nullopt);
  EXPECT_EQ(AsServer(named, "a.svc.example"), std::nullopt);
  EXPECT_EQ(AsServer(named, "198.18.0.1"), std::nullopt);
  EXPECT_THAT(AsServer(named, "198.18.0.2"),
              Optional(HasSubstr("valid for event-runner, *.svc.example, 198.18.0.1, "
                                 "not for 198.18.0.2")));
  EXPECT_THAT(AsServer(named, "elsewhere"), Optional(HasSubstr("not for elsewhere")));
  EXPECT_NE(AsServer(named, "a.b.svc.example"), std::nullopt);
  EXPECT_NE(AsServer(named, "ingest"), std::nullopt) << "the common name does not count as host";
  EXPECT_NE(AsServer(named, ""), std::nullopt) << "an empty host matches no certificate";
}

TEST_F(CertificatesTest, NoCertificateIsAcceptedWithoutAuthorities) {
  const std::string leaf = root_.Issue({.subject = "executor"}).pem();
  EXPECT_NE(Refused({leaf, ""}, ""), std::nullopt);
  EXPECT_NE(Refused({leaf, ""}, "garbage"), std::nullopt);
  EXPECT_NE(Refused({leaf, root_.pem()}, ""), std::nullopt);
}

TEST_F(CertificatesTest, CauseContainsNoTextOfThePeer) {
  const TestCertificate other("chosen authority");
  const auto refusal = WhyRefused({other.Issue({.subject = "chosen name"}).pem(), ""}, root_.pem(),
                                  TlsRole::kClient, "");
  ASSERT_TRUE(refusal);
  EXPECT_THAT(refusal->text, AllOf(HasSubstr("chosen name"), HasSubstr("chosen authority")));
  EXPECT_THAT(refusal->cause, testing::Not(HasSubstr("chosen")));
}

class TlsFilesTest : public CertificatesTest {
 protected:
  void Overwrite(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

  // The problem of these files.
  static std::optional<std::string> Wrong(const TlsFiles& files) {
    const auto loaded = LoadTls(files);
    const auto* why = std::get_if<std::string>(&loaded);
    return why ? std::optional(*why) : std::nullopt;
  }

  const support::TempDir directory_;
  const TestCertificate own_ = root_.Issue({.subject = "executor"});
  const TlsFiles files_ = own_.Write(directory_.path(), root_.pem());
};

TEST_F(TlsFilesTest, ValidFilesAreLoaded) {
  const auto loaded = LoadTls(files_);
  const auto* material = std::get_if<TlsMaterial>(&loaded);
  ASSERT_NE(material, nullptr);
  EXPECT_EQ(material->certificate, own_.pem());
  EXPECT_EQ(material->key, own_.key_pem());
  EXPECT_EQ(material->authorities, root_.pem());
  const OwnCertificate own = DescribeOwn(*material);
  EXPECT_EQ(own.subject, "executor");
  EXPECT_THAT(own.not_after, HasSubstr("T"));
  EXPECT_EQ(own.doubt, std::nullopt);
}

TEST_F(TlsFilesTest, MissingOrInvalidFileIsNamed) {
  TlsFiles gone = files_;
  gone.key += ".gone";
  EXPECT_THAT(Wrong(gone), Optional(AllOf(HasSubstr(gone.key), HasSubstr("No such file"))));
  TlsFiles swapped = files_;
  std::swap(swapped.certificate, swapped.key);
  EXPECT_THAT(Wrong(swapped), Optional(HasSubstr("no certificate found; expected PEM")));
  TlsFiles without_authorities = files_;
  without_authorities.ca = files_.key;
  EXPECT_THAT(Wrong(without_authorities), Optional(HasSubstr("authorities")));
}

TEST_F(TlsFilesTest, EmptyOrHalfWrittenFilesAreNotLoaded) {
  for (const std::string& path : {files_.certificate, files_.key, files_.ca}) {
    const std::string whole = support::ReadFile(path);
    Overwrite(path, "");
    EXPECT_THAT(Wrong(files_), Optional(HasSubstr(path)));
    Overwrite(path, whole.substr(0, whole.size() / 2));
    EXPECT_THAT(Wrong(files_), Optional(HasSubstr(path)));
    Overwrite(path, whole);
    EXPECT_EQ(Wrong(files_), std::nullopt);
  }
}

TEST_F(TlsFilesTest, KeyOfAnotherCertificateIsRejected) {
  Overwrite(files_.key, root_.Issue({.subject = "other"}).key_pem());
  EXPECT_THAT(Wrong(files_), Optional(HasSubstr("does not match the certificate")));
}

TEST_F(TlsFilesTest, CertificateThatPeersWouldRejectIsReported) {
  Overwrite(files_.ca, TestCertificate("other").pem());
  const auto loaded = LoadTls(files_);
  EXPECT_THAT(DescribeOwn(std::get<TlsMaterial>(loaded)).doubt,
              Optional(HasSubstr("not a trusted authority")));
}

}  // namespace
}  // namespace runner
