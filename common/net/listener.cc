#include "common/net/listener.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <linux/tcp.h>  // <netinet/tcp.h> of the C library lacks tcpi_bytes_received
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace runner {
namespace {

// Bound on the connections accepted in one turn of the loop, so that other work gets its turn.
constexpr int kMaxPerTurn = 32;
// Unix sockets do not report the bytes received: each read event counts as this many.
constexpr std::uint64_t kUnixArrivalBytes = 1024;
constexpr Duration kRetryAfterShortage = std::chrono::milliseconds(100);
constexpr Duration kFloodInterval = std::chrono::milliseconds(20);
constexpr Duration kCalmInterval = std::chrono::seconds(1);
// How long traffic is watched after data has arrived.
constexpr Duration kTrafficTime = std::chrono::seconds(10);

// The bytes of the address; empty for a Unix socket.
std::string KeyOf(const sockaddr_storage& name) {
  if (name.ss_family == AF_INET) {
    const auto& address = reinterpret_cast<const sockaddr_in&>(name).sin_addr;
    return {reinterpret_cast<const char*>(&address), sizeof address};
  }
  if (name.ss_family == AF_INET6) {
    const auto& address = reinterpret_cast<const sockaddr_in6&>(name).sin6_addr;
    return {reinterpret_cast<const char*>(&address), sizeof address};
  }
  return {};
}

bool HasHungUp(int fd) {
  pollfd state{fd, 0, 0};
  return ::poll(&state, 1, 0) == 1 && (state.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace

Listener::Listener(EventLoop& loop, ListenSockets sockets, const Options& options,
                   OnConnection on_connection)
    : loop_(loop),
      sockets_(std::move(sockets)),
      options_(options),
      on_connection_(std::move(on_connection)),
      table_(options.limits) {
  WatchSockets();
}

Listener::~Listener() {
  StopListening();
  for (const EventLoop::TimerId timer : {age_timer_, flood_timer_}) loop_.Cancel(timer);
  while (!open_.empty()) Cut(open_.begin()->first);
}

void Listener::StopListening() {
  loop_.Cancel(resume_timer_);
  for (const UniqueFd& socket : sockets_.sockets) loop_.Unwatch(socket.Get());
  sockets_.sockets.clear();
  if (!sockets_.unix_path.empty()) ::unlink(sockets_.unix_path.c_str());
  sockets_.unix_path.clear();
}

void Listener::WatchSockets() {
  for (const UniqueFd& socket : sockets_.sockets) {
    loop_.Watch(socket.Get(), EPOLLIN, [this, fd = socket.Get()](std::uint32_t) { Accept(fd); });
  }
}

void Listener::Accept(int listening) {
  for (int i = 0; i < kMaxPerTurn; ++i) {
    // If a descriptor for both ends is missing, the connection stays in the queue of the kernel.
    UniqueFd given(::fcntl(listening, F_DUPFD_CLOEXEC, 0));
    if (!given) return OnShortage(errno);
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    UniqueFd fd(::accept4(listening, reinterpret_cast<sockaddr*>(&name), &size,
                          SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (!fd && errno != EAGAIN) return OnShortage(errno);
    if (fd && ::dup3(fd.Get(), given.Get(), O_CLOEXEC) < 0) return OnShortage(errno);
    const bool more = static_cast<bool>(fd);
    if (more) {
      if (const int error = Admit(std::move(fd), std::move(given), KeyOf(name)); error != 0) {
        return OnShortage(error);
      }
    }
    {
      const MutexLock lock(mutex_);
      error_ = 0;
    }
    if (!more) return;
  }
}

void Listener::OnShortage(int error) {
  {
    const MutexLock lock(mutex_);
    if (error_ == 0) failing_since_ = loop_.Now().mono;
    error_ = error;
  }
  // The socket stays readable during the shortage: without a pause the loop would spin.
  PauseAccepting(kRetryAfterShortage);
}

void Listener::PauseAccepting(Duration time) {
  for (const UniqueFd& socket : sockets_.sockets) loop_.Unwatch(socket.Get());
  loop_.Cancel(resume_timer_);
  resume_timer_ = loop_.After(time, [this] {
    resume_timer_ = EventLoop::kNoTimer;
    Resume();
  });
}

void Listener::Resume() {
  if (refused_) {
    auto [id, fd] = std::exchange(refused_, std::nullopt).value();
    const bool open = open_.find(id) != open_.end();
    if (const int error = open ? HandOver(id, std::move(fd)) : 0; error != 0) {
      return OnShortage(error);
    }
  }
  try {
    WatchSockets();
  } catch (const std::system_error& error) {  // epoll is out of memory or watches
    return OnShortage(error.code().value());
  }
  // Called even if no client connects: only accept(2) shows whether the shortage has passed.
  if (!sockets_.sockets.empty()) Accept(sockets_.sockets.front().Get());
}

// Takes the two descriptors of a connection. Returns the errno of a shortage, or 0.
int Listener::Admit(UniqueFd fd, UniqueFd given, const std::string& address) {
  // Responses are small; Nagle's algorithm would only delay them.
  const int on = 1;
  if (!address.empty()) ::setsockopt(fd.Get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const MonoTime now = loop_.Now().mono;
  const Id id = table_.Add(now, address);
  const int watched = fd.Get();
  open_.emplace(id, Connection{std::move(fd), !address.empty()});
  if (const auto excess = table_.Excess(
          now, [this](Id one) { return Received(one); }, [this](Id one) { return Serves(one); })) {
    Cut(*excess);
    Report("too many connections", 1);
    if (*excess == id) return 0;
  }
  try {
    // epoll always reports EPOLLHUP and EPOLLERR; EPOLLIN is edge-triggered, since the server reads
    // the data.
    const std::uint32_t traffic = options_.flooded ? EPOLLIN | EPOLLET : 0;
    loop_.Watch(watched, traffic, [this, id](std::uint32_t events) { OnEvents(id, events); });
  } catch (const std::system_error& error) {
    Cut(id);
    return error.code().value();
  }
  if (options_.max_age != Duration::zero() && age_timer_ == EventLoop::kNoTimer) {
    age_timer_ = loop_.At(now + options_.max_age, [this] { CutOld(); });
  }
  return HandOver(id, std::move(given));
}

int Listener::HandOver(Id id, UniqueFd fd) {
  if (on_connection_(id, fd)) return 0;
  refused_.emplace(id, std::move(fd));
  return EAGAIN;  // the errno of pthread_create(3)
}

void Listener::OnEvents(Id id, std::uint32_t events) {
  const auto found = open_.find(id);
  if (found == open_.end()) return;
  // The event may belong to an earlier connection with the same descriptor.
  if ((events & (EPOLLHUP | EPOLLERR)) != 0 && HasHungUp(found->second.fd.Get())) return Closed(id);
  if ((events & EPOLLIN) == 0) return;
  const std::uint64_t received =
      found->second.is_tcp ? Received(id) : found->second.received + kUnixArrivalBytes;
  unchecked_ += received - std::min(found->second.received, received);
  found->second.received = received;
  if (unchecked_ < kTrafficStep) return;
  unchecked_ = 0;
  traffic_ = loop_.Now().mono;
  if (!flooded_) CutBusiest();
}

void Listener::Closed(Id id) {
  const auto found = open_.find(id);
  if (found == open_.end()) return;
  loop_.Unwatch(found->second.fd.Get());
  open_.erase(found);
  table_.Remove(id);
}

void Listener::Cut(Id id) {
  const auto found = open_.find(id);
  if (found == open_.end()) return;
  const int fd = found->second.fd.Get();
  // connect(2) with AF_UNSPEC dissolves the association; unlike shutdown(2), it also discards
  // received data that was not read.
  const sockaddr unspecified{AF_UNSPEC, {}};
  if (!found->second.is_tcp || ::connect(fd, &unspecified, sizeof unspecified) != 0) {
    ::shutdown(fd, SHUT_RDWR);
  }
  Closed(id);
}

void Listener::CutOld() {
  age_timer_ = EventLoop::kNoTimer;
  const MonoTime now = loop_.Now().mono;
  for (auto oldest = table_.oldest(); oldest; oldest = table_.oldest()) {
    const MonoTime end = oldest->since + options_.max_age;
    if (end > now) {
      age_timer_ = loop_.At(end, [this] { CutOld(); });
      return;
    }
    Cut(oldest->id);
  }
}

void Listener::Report(const char* reason, std::size_t connections) const {
  if (options_.on_cut) options_.on_cut(reason, connections);
}

bool Listener::Serves(Id id) const {
  return options_.serves && options_.serves(id, open_.at(id).fd.Get());
}

std::uint64_t Listener::Received(Id id) const {
  const Connection& connection = open_.at(id);
  if (!connection.is_tcp) return connection.received;
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(connection.fd.Get(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  return info.tcpi_bytes_received;
}

std::optional<std::string> Listener::Failure() const {
  const MutexLock lock(mutex_);
  if (error_ == 0 || loop_.Now().mono - failing_since_ < options_.failure_after) {
    return std::nullopt;
  }
  return std::generic_category().message(error_);
}

void Listener::CutBusiest() {
  loop_.Cancel(std::exchange(flood_timer_, EventLoop::kNoTimer));
  const MonoTime now = loop_.Now().mono;
  const std::optional<std::uint64_t> flood = options_.flooded();
  flooded_ = flood.has_value();
  if (flooded_ || now - traffic_ < kTrafficTime) {
    flood_timer_ = loop_.After(kFloodInterval, [this] { CutBusiest(); });
  }
  if (!flooded_) {
    if (now - calm_ < kCalmInterval) return;
    calm_ = now;
    table_.Calm([this](Id id) { return Received(id); }, [this](Id id) { return Serves(id); });
    return;
  }
  const std::vector<Id> busiest = table_.Busiest([this](Id id) { return Received(id); },
                                                 [this](Id id) { return Serves(id); }, *flood);
  for (const Id id : busiest) Cut(id);
  if (!busiest.empty()) Report("flood", busiest.size());
  PauseAccepting(2 * kFloodInterval);
}

}  // namespace runner
