#include "common/listen_problem.h"

#include <cerrno>
#include <memory>
#include <system_error>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "common/unique_fd.h"

namespace runner {
namespace {

// The errno, or 0.
int TryToListen(const addrinfo& address) {
  const UniqueFd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno;
  const int on = 1;
  ::setsockopt(fd.Get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.ai_family == AF_INET6) {
    ::setsockopt(fd.Get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  if (::bind(fd.Get(), address.ai_addr, address.ai_addrlen) != 0) return errno;
  return ::listen(fd.Get(), 1) == 0 ? 0 : errno;
}

std::string AdviceFor(int error) {
  switch (error) {
    case EADDRINUSE:
      return "; choose another port, or stop the program that holds it";
    case EADDRNOTAVAIL:
      return "; choose an address of this machine, or 0.0.0.0 for all of them";
    case EACCES:
      return "; choose a port above 1023, or give the program CAP_NET_BIND_SERVICE";
    default:
      return "";
  }
}

}  // namespace

std::string ListenProblem(const std::string& option, const std::string& address,
                          const std::string& why) {
  return (option.empty() ? "" : option + ": ") + "cannot listen on " + address + ": " + why;
}

std::string ListenProblem(const std::string& option, const std::string& host, std::uint16_t port,
                          const std::string& fallback) {
  const bool ipv6 = host.find(':') != std::string::npos;
  const std::string address = (ipv6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
      code != 0) {
    return ListenProblem(option, address,
                         std::string("the host does not resolve: ") + ::gai_strerror(code) +
                             "; choose an address of this machine");
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    if (const int error = TryToListen(*one); error != 0) {
      const bool wrong_address = error == EADDRNOTAVAIL && option.ends_with("-port");
      return ListenProblem(wrong_address ? "--bind-address" : option, address,
                           std::generic_category().message(error) + AdviceFor(error));
    }
  }
  return ListenProblem(option, address, fallback);
}

}  // namespace runner
