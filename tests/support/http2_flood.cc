#include "tests/support/http2_flood.h"

#include <filesystem>
#include <iterator>
#include <stdexcept>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace runner::support {
namespace {

// Types of frames, and the flag of a HEADERS frame without continuation (RFC 9113, section 6).
constexpr char kData = 0;
constexpr char kHeaders = 1;
constexpr char kRstStream = 3;
constexpr char kSettings = 4;
constexpr char kContinuation = 9;
constexpr char kEndHeaders = 4;
// "a: b", which becomes the first entry of the dynamic table, with index 0xbe (RFC 7541).
constexpr const char* kIndexedField =
    "\x40\x01"
    "a\x01"
    "b";
// Number of streams in one write.
constexpr std::size_t kBatch = 200;

std::string Frame(char type, char flags, std::uint32_t stream, const std::string& payload) {
  std::string frame;
  for (const int shift : {16, 8, 0}) frame += static_cast<char>(payload.size() >> shift & 0xff);
  frame += type;
  frame += flags;
  for (const int shift : {24, 16, 8, 0}) frame += static_cast<char>(stream >> shift & 0xff);
  return frame + payload;
}

// A header field without indexing, with a name from the static table or a new one (RFC 7541).
std::string Field(char index, const std::string& value) {
  return std::string{index, static_cast<char>(value.size())} + value;
}
std::string Field(const std::string& name, const std::string& value) {
  return std::string{'\0', static_cast<char>(name.size())} + name +
         static_cast<char>(value.size()) + value;
}

}  // namespace

Http2Flood::Http2Flood(std::uint16_t port, const std::string& path, Kind kind)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      // :method POST and :scheme http by their index, then :path and :authority
      head_("\x83\x86" + Field(4, path) + Field(1, "x") +
            Field("content-type", "application/grpc") + Field("te", "trailers")),
      kind_(kind) {
  const timeval limit{2, 0};
  ::setsockopt(fd_.Get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_.Get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("the flood does not connect");
  }
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(kSettings, 0, 0, "");
  static_cast<void>(::send(fd_.Get(), preface.data(), preface.size(), MSG_NOSIGNAL));
}

std::size_t Http2Flood::Send(std::size_t streams) {
  const std::string cancel{0, 0, 0, 8};
  for (std::size_t sent = 0;; sent += kBatch) {
    if (sent >= streams) return sent;
    std::string batch;
    for (std::size_t i = 0; i < kBatch; ++i, next_stream_ += 2) {
      if (kind_ == Kind::kHeaderBlock) {
        batch += next_stream_ == 1 ? Frame(kHeaders, 0, 1, head_ + kIndexedField)
                                   : Frame(kContinuation, 0, 1, std::string(kFields, '\xbe'));
        continue;
      }
      batch += Frame(kHeaders, kEndHeaders, next_stream_, head_);
      if (kind_ == Kind::kCallThenReset) {
        batch += Frame(kData, 0, next_stream_, std::string(5, '\0'));
      }
      if (kind_ != Kind::kOpen) batch += Frame(kRstStream, 0, next_stream_, cancel);
    }
    for (std::size_t done = 0; done < batch.size();) {
      const ssize_t wrote =
          ::send(fd_.Get(), batch.data() + done, batch.size() - done, MSG_NOSIGNAL);
      if (wrote < 0) return sent;
      done += static_cast<std::size_t>(wrote);
    }
  }
}

int ThreadsOf(int pid) {
  std::error_code error;
  const std::filesystem::directory_iterator tasks("/proc/" + std::to_string(pid) + "/task", error);
  return static_cast<int>(std::distance(tasks, std::filesystem::directory_iterator()));
}

int ThreadsOfThisProcess() { return ThreadsOf(::getpid()); }

}  // namespace runner::support
