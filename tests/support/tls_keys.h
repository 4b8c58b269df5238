#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/security/credentials.h>

#include "tests/support/test_authority.h"

namespace runner::support {

// Certificates of one authority in the form that the programs read, in directories below one.
class TlsKeys {
 public:
  explicit TlsKeys(std::filesystem::path directory) : directory_(std::move(directory)) {}

  const TestCertificate& root() const { return root_; }
  // The flags of a program with such a certificate, issued or renewed.
  std::vector<std::string> FlagsFor(const CertificateWish& wish) const {
    return FlagsFor(wish.subject, root_.Issue(wish), root_.pem());
  }
  // With any certificate and any trusted authorities. `owner` names the directory.
  std::vector<std::string> FlagsFor(const std::string& owner, const TestCertificate& certificate,
                                    const std::string& authorities) const {
    const TlsFiles files = certificate.Write(directory_ / owner, authorities);
    return {"--grpc-tls-cert=" + files.certificate, "--grpc-tls-key=" + files.key,
            "--grpc-tls-ca=" + files.ca};
  }
  // Credentials of an operator, for an independent client: those of gRPC.
  std::shared_ptr<grpc::ChannelCredentials> Operator() const {
    const TestCertificate own = root_.Issue({.subject = "operator"});
    return grpc::SslCredentials({root_.pem(), own.key_pem(), own.pem()});
  }

 private:
  const std::filesystem::path directory_;
  const TestCertificate root_{"authority"};
};

}  // namespace runner::support
