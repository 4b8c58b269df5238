// What libcurl's errors mean to a connection.

#include "ingest/mcp/transport/http_failure.h"

#include <cerrno>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runner::ingest {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Class(CURLcode code, std::string_view text = "") {
  return std::string(ToString(FailureOf(code, text, 0).error));
}

TEST(HttpFailure, CertificateAndHandshakeErrorsAreClassTls) {
  for (const CURLcode code :
       {CURLE_SSL_CONNECT_ERROR, CURLE_SSL_ENGINE_NOTFOUND, CURLE_SSL_ENGINE_SETFAILED,
        CURLE_SSL_ENGINE_INITFAILED, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
        CURLE_PEER_FAILED_VERIFICATION, CURLE_USE_SSL_FAILED, CURLE_SSL_CACERT_BADFILE,
        CURLE_SSL_CRL_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_PINNEDPUBKEYNOTMATCH,
        CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_CLIENTCERT}) {
    EXPECT_EQ(Class(code), "tls") << code;
  }
}

TEST(HttpFailure, CertificateRefusedAfterTheHandshakeIsClassTls) {
  EXPECT_EQ(Class(CURLE_RECV_ERROR,
                  "OpenSSL SSL_read: error:0A00045C:SSL routines::tlsv13 alert certificate "
                  "required, errno 0"),
            "tls");
}

TEST(HttpFailure, TruncatedTlsStreamIsClassNetwork) {
  EXPECT_EQ(Class(CURLE_RECV_ERROR,
                  "OpenSSL SSL_read: error:0A000126:SSL routines::unexpected eof while reading, "
                  "errno 0"),
            "network");
  EXPECT_EQ(Class(CURLE_SSL_SHUTDOWN_FAILED), "network");
}

TEST(HttpFailure, OtherCodesHaveTheirClass) {
  EXPECT_EQ(Class(CURLE_COULDNT_CONNECT), "network");
  EXPECT_EQ(Class(CURLE_COULDNT_RESOLVE_HOST), "network");
  EXPECT_EQ(Class(CURLE_GOT_NOTHING), "network");
  EXPECT_EQ(Class(CURLE_OPERATION_TIMEDOUT), "timeout");
  EXPECT_EQ(Class(CURLE_WEIRD_SERVER_REPLY), "protocol");
}

TEST(HttpFailure, DetailOmitsTheDurationSoThatRepeatsAreEqual) {
  const auto detail = [](std::string_view text) {
    return FailureOf(CURLE_OPERATION_TIMEDOUT, text, 0).detail;
  };
  EXPECT_EQ(detail("Failed to connect to mcp port 80 after 131 ms: Couldn't connect to server"),
            "Failed to connect to mcp port 80: Couldn't connect to server");
  EXPECT_EQ(detail("Operation timed out after 10001 milliseconds with 0 bytes received"),
            "Operation timed out with 0 bytes received");
  EXPECT_EQ(detail("Connection timed out after 10000 milliseconds"), "Connection timed out");
  for (const char* other :
       {"closed after 3 tries", "what comes after ", "after 5 ms", " after ms"}) {
    EXPECT_EQ(detail(other), other);
  }
}

TEST(HttpFailure, DetailIsTheTextOfLibcurl) {
  EXPECT_EQ(FailureOf(CURLE_COULDNT_RESOLVE_HOST, "Could not resolve host: mcp", 0).detail,
            "Could not resolve host: mcp");
  EXPECT_EQ(FailureOf(CURLE_GOT_NOTHING, "", 0).detail, ::curl_easy_strerror(CURLE_GOT_NOTHING));
}

TEST(HttpFailure, DetailHoldsNoUrl) {
  EXPECT_THAT(FailureOf(CURLE_COULDNT_RESOLVE_PROXY,
                        "Unsupported proxy syntax in 'user:secret@': Bad port", 0)
                  .detail,
              Not(HasSubstr("secret")));
  EXPECT_THAT(FailureOf(CURLE_URL_MALFORMAT, "bad: secret", 0).detail, Not(HasSubstr("secret")));
  EXPECT_THAT(FailureOf(CURLE_RECV_ERROR, "from http://a/b?token=secret", 0).detail,
              Not(HasSubstr("secret")));
}

TEST(HttpFailure, LackOfDescriptorsIsReported) {
  const ConnectionFailure failure =
      FailureOf(CURLE_COULDNT_CONNECT, "Failed to connect to a port 1", EMFILE);
  EXPECT_EQ(failure.error, ErrorClass::kNetwork);
  EXPECT_THAT(failure.detail, HasSubstr("out of file descriptors"));
  EXPECT_THAT(FailureOf(CURLE_COULDNT_CONNECT, "", EACCES).detail, HasSubstr("Permission denied"));
}

TEST(HttpFailure, EachFailureHasItsAdvice) {
  const struct {
    CURLcode code;
    const char* text;
    int os_error;
    const char* advice;
  } kRows[] = {
      {CURLE_COULDNT_RESOLVE_HOST, "Could not resolve host: mcp", 0, "DNS of this pod"},
      {CURLE_COULDNT_RESOLVE_PROXY, "Could not resolve proxy: p", 0, "HTTP_PROXY"},
      {CURLE_COULDNT_CONNECT, "Failed to connect to a port 1", ECONNREFUSED, "the server runs"},
      {CURLE_COULDNT_CONNECT, "Failed to connect to a port 1", EHOSTUNREACH, "routes"},
      {CURLE_OPERATION_TIMEDOUT, "Connection timed out after 5 ms", 0, "NetworkPolicy"},
      {CURLE_OPERATION_TIMEDOUT, "Resolving timed out after 5 milliseconds", 0, "DNS"},
      {CURLE_OPERATION_TIMEDOUT, "Operation timed out after 5 milliseconds with 0 bytes received",
       0, "does not answer"},
      {CURLE_GOT_NOTHING, "Empty reply from server", 0, "http or https"},
      {CURLE_UNSUPPORTED_PROTOCOL, "Received HTTP/0.9 when not allowed", 0, "HTTP/1.1"},
      {CURLE_SSL_CONNECT_ERROR, "error:0A00010B:SSL routines::wrong version number", 0,
       "does not speak TLS"},
      {CURLE_SSL_CONNECT_ERROR, "OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to x:1", 0,
       "does not speak TLS"},
      {CURLE_PEER_FAILED_VERIFICATION,
       "SSL certificate problem: unable to get local issuer certificate", 0, "ca_file"},
      {CURLE_PEER_FAILED_VERIFICATION, "SSL certificate problem: self-signed certificate", 0,
       "ca_file"},
      {CURLE_PEER_FAILED_VERIFICATION,
       "SSL: no alternative certificate subject name matches target host name 'b'", 0,
       "another host"},
      {CURLE_PEER_FAILED_VERIFICATION, "SSL certificate problem: certificate has expired", 0,
       "renew"},
      {CURLE_RECV_ERROR, "SSL routines::tlsv13 alert certificate required", 0, "client_cert_file"},
      {CURLE_SSL_CACERT_BADFILE, "error setting certificate verify locations", 0, "PEM"},
      {CURLE_SSL_CERTPROBLEM, "could not load PEM client certificate", 0, "client_key_file"},
  };
  for (const auto& row : kRows) {
    EXPECT_THAT(std::string(AdviceFor(row.code, row.text, row.os_error)), HasSubstr(row.advice))
        << row.text;
  }
}

}  // namespace
}  // namespace runner::ingest
