#include "common/net/listen.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace runner {
namespace {

[[noreturn]] void CannotListen(const std::string& option, const std::string& address,
                               const std::string& why) {
  throw std::runtime_error((option.empty() ? "" : option + ": ") + "cannot listen on " + address +
                           ": " + why);
}

std::string Message(int error) { return std::generic_category().message(error); }

std::string AdviceFor(int error) {
  switch (error) {
    case EADDRINUSE:
      return "; choose another port, or stop the program that holds it";
    case EADDRNOTAVAIL:
      return "; choose an address of this machine, or 0.0.0.0 for all of them";
    case EAFNOSUPPORT:
      return "; this machine has no IPv6, choose an IPv4 address";
    case EACCES:
      return "; choose a port above 1023, or give the program CAP_NET_BIND_SERVICE";
    default:
      return "";
  }
}

// Returns the socket, or the errno.
std::pair<UniqueFd, int> TryToListen(const addrinfo& address, bool dual_stack) {
  UniqueFd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return {UniqueFd(), errno};
  const int on = 1;
  ::setsockopt(fd.Get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.ai_family == AF_INET6) {
    const int only_ipv6 = dual_stack ? 0 : 1;
    ::setsockopt(fd.Get(), IPPROTO_IPV6, IPV6_V6ONLY, &only_ipv6, sizeof only_ipv6);
  }
  if (::bind(fd.Get(), address.ai_addr, address.ai_addrlen) != 0 ||
      ::listen(fd.Get(), SOMAXCONN) != 0) {
    return {UniqueFd(), errno};
  }
  return {std::move(fd), 0};
}

std::uint16_t BoundPort(int fd) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) return 0;
  return ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(name).sin6_port
                                          : reinterpret_cast<const sockaddr_in&>(name).sin_port);
}

std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> Resolve(const Address& address,
                                                             const std::string& option,
                                                             const std::string& text) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(address.port);
  if (const int code = ::getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found);
      code != 0) {
    CannotListen(option, text,
                 std::string("the host does not resolve: ") + ::gai_strerror(code) +
                     "; choose an address of this machine");
  }
  return {found, &::freeaddrinfo};
}

ListenSockets ListenOnHost(const Address& address, const std::string& option) {
  const bool ipv6 = address.host.find(':') != std::string::npos;
  const std::string text =
      (ipv6 ? '[' + address.host + ']' : address.host) + ':' + std::to_string(address.port);
  const auto found = Resolve(address, option, text);
  ListenSockets listening;
  int missing = 0;  // the errno of an address of the name that is not available
  for (const addrinfo* one = found.get(); one != nullptr; one = one->ai_next) {
    if (listening.port != 0) {  // port 0: all addresses of the name share the port of the first
      const std::uint16_t port = htons(listening.port);
      if (one->ai_family == AF_INET6) {
        reinterpret_cast<sockaddr_in6*>(one->ai_addr)->sin6_port = port;
      } else {
        reinterpret_cast<sockaddr_in*>(one->ai_addr)->sin_port = port;
      }
    }
    auto [fd, error] = TryToListen(*one, address.host == "::");
    if (fd) {
      listening.port = BoundPort(fd.Get());
      listening.sockets.push_back(std::move(fd));
    } else if (error == EADDRNOTAVAIL || error == EAFNOSUPPORT) {
      missing = error;  // localhost resolves to ::1 even if the machine has no IPv6
    } else {
      CannotListen(option, text, Message(error) + AdviceFor(error));
    }
  }
  if (listening.sockets.empty()) {
    const bool of_host = missing == EADDRNOTAVAIL && option.ends_with("-port");
    CannotListen(of_host ? "--bind-address" : option, text, Message(missing) + AdviceFor(missing));
  }
  return listening;
}

ListenSockets ListenOnSocketFile(const std::string& path, const std::string& option) {
  const std::string text = "unix:" + path;
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (!std::filesystem::is_directory(parent)) {
    CannotListen(
        option, text,
        "directory " + parent.string() + " does not exist; create it, or choose another path");
  }
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.c_str(), std::min(path.size(), sizeof name.sun_path - 1));
  const auto* address = reinterpret_cast<const sockaddr*>(&name);
  struct stat status{};
  if (::lstat(path.c_str(), &status) == 0) {
    if (!S_ISSOCK(status.st_mode)) {
      CannotListen(option, text,
                   path + " exists and is not a socket; remove it, or choose another path");
    }
    const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe) CannotListen(option, text, Message(errno));
    if (::connect(probe.Get(), address, sizeof name) == 0 || errno != ECONNREFUSED) {
      CannotListen(
          option, text,
          "another server listens on " + path + "; choose another path, or stop that server");
    }
    if (::unlink(path.c_str()) != 0) CannotListen(option, text, Message(errno));
  }
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || ::bind(fd.Get(), address, sizeof name) != 0 || ::listen(fd.Get(), SOMAXCONN) != 0) {
    CannotListen(option, text,
                 Message(errno) + "; check who may write to the directory of the socket");
  }
  ListenSockets listening;
  listening.unix_path = path;
  listening.sockets.push_back(std::move(fd));
  return listening;
}

}  // namespace

ListenSockets ListenOn(const Address& address, const std::string& option) {
  return address.unix_path.empty() ? ListenOnHost(address, option)
                                   : ListenOnSocketFile(address.unix_path, option);
}

}  // namespace runner
