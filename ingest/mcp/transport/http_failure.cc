#include "ingest/mcp/transport/http_failure.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>

#include <sys/eventfd.h>

#include "common/base/unique_fd.h"

namespace runner::ingest {
namespace {

ErrorClass ClassOf(CURLcode code, std::string_view text) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return ErrorClass::kTimeout;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
      return ErrorClass::kTls;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_HTTP2:
    case CURLE_BAD_CONTENT_ENCODING:
      return ErrorClass::kProtocol;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      // TLS 1.3 rejects the client's certificate after the handshake, with an alert. A connection
      // that ends without an alert is a network error.
      return text.find("SSL routines") != std::string_view::npos &&
                     text.find("alert") != std::string_view::npos
                 ? ErrorClass::kTls
                 : ErrorClass::kNetwork;
    default:
      return ErrorClass::kNetwork;
  }
}

bool OutOfDescriptors() {
  const UniqueFd fd(::eventfd(0, EFD_CLOEXEC));
  return !fd && (errno == EMFILE || errno == ENFILE);
}

// libcurl's text about a malformed proxy holds the proxy with its password.
bool MayHoldUrl(CURLcode code, std::string_view text) {
  return code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ||
         text.starts_with("Unsupported proxy") || text.find('@') != std::string_view::npos ||
         text.find("://") != std::string_view::npos;
}

// libcurl adds the duration of the attempt, which differs each time: repeats of one error would not
// be recognised as repeats.
std::string WithoutTime(std::string text) {
  constexpr std::string_view kAfter = " after ";
  const std::size_t at = text.find(kAfter);
  if (at == std::string::npos) return text;
  const std::size_t number = at + kAfter.size();
  const std::size_t end = std::min(text.find_first_not_of("0123456789", number), text.size());
  for (const std::string_view unit : {" milliseconds", " ms"}) {
    if (end > number && std::string_view(text).substr(end).starts_with(unit)) {
      return text.erase(at, end + unit.size() - at);
    }
  }
  return text;
}

std::string_view AdviceForTls(std::string_view text) {
  const auto says = [text](std::string_view words) {
    return text.find(words) != std::string_view::npos;
  };
  // SSL_ERROR_SYSCALL: the server has closed the connection instead of an answer to the handshake.
  if (says("wrong version number") || says("packet length too long") || says("SSL_ERROR_SYSCALL")) {
    return "this port does not speak TLS: check the port, and http or https";
  }
  if (says("local issuer") || says("self-signed") || says("self signed")) {
    return "set ca_file to the CA certificate of the server";
  }
  if (says("subject name") || says("does not match")) {
    return "the certificate is for another host: use a host name that it holds";
  }
  if (says("expired") || says("not yet valid")) {
    return "renew the certificate of the server, and check the clocks";
  }
  if (says("alert")) {
    return "the server refuses the client: check client_cert_file and client_key_file";
  }
  return "check the certificates: ca_file, client_cert_file, client_key_file";
}

std::string_view AdviceForTimeout(std::string_view text) {
  const bool resolving = text.starts_with("Resolving");
  if (resolving) return "check the DNS of this pod";
  if (text.starts_with("Connection") || text.starts_with("Failed to connect")) {
    return "check the host and the port, and what may drop packets (NetworkPolicy, firewall)";
  }
  return "the server accepted the connection and does not answer: check the port and its log";
}

}  // namespace

std::string_view AdviceFor(CURLcode code, std::string_view text, int os_error) {
  if (ClassOf(code, text) == ErrorClass::kTls) {
    return code == CURLE_SSL_CERTPROBLEM      ? "check client_cert_file and client_key_file"
           : code == CURLE_SSL_CACERT_BADFILE ? "ca_file must hold certificates in PEM form"
                                              : AdviceForTls(text);
  }
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return "check the host name of the endpoint, and the DNS of this pod";
    case CURLE_COULDNT_RESOLVE_PROXY:
      return "check the proxy in HTTP_PROXY, HTTPS_PROXY or ALL_PROXY";
    case CURLE_COULDNT_CONNECT:
      return os_error == ENETUNREACH || os_error == EHOSTUNREACH
                 ? "check the address and the routes of this pod"
                 : "check that the server runs, and listens at this host and port";
    case CURLE_OPERATION_TIMEDOUT:
      return AdviceForTimeout(text);
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      return "the server closed the connection: check its log, the port, and http or https";
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2:
      return "this port does not speak HTTP/1.1: check the port";
    default:
      return {};
  }
}

ConnectionFailure FailureOf(CURLcode code, std::string_view text, int socket_error) {
  ConnectionFailure failure;
  failure.error = ClassOf(code, text);
  failure.detail = text.empty() || MayHoldUrl(code, text) ? ::curl_easy_strerror(code)
                                                          : WithoutTime(std::string(text));
  // Without descriptors for other purposes, such as a name server, libcurl reports another error.
  const bool no_connection = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
                             code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_OUT_OF_MEMORY ||
                             code == CURLE_FAILED_INIT;
  if (socket_error == EMFILE || socket_error == ENFILE ||
      (no_connection && socket_error == 0 && OutOfDescriptors())) {
    failure.error = ErrorClass::kNetwork;
    failure.detail = "out of file descriptors; raise the limit (ulimit -n)";
  } else if (socket_error != 0) {
    failure.detail = "no socket: " + std::generic_category().message(socket_error);
  }
  return failure;
}

}  // namespace runner::ingest
