#pragma once

#include <memory>
#include <string>
#include <vector>

namespace grpc {
class Service;
}  // namespace grpc

namespace runner {

// Server reflection (grpc.reflection.v1alpha.ServerReflection): lists `services`, and describes the
// files, services and messages that are linked into the program. Extensions are UNIMPLEMENTED.
// gRPC's own implementation is synchronous: every call occupies a thread. Thread-safe; the list may
// be filled until the server starts.
std::unique_ptr<grpc::Service> NewReflectionService(
    std::shared_ptr<const std::vector<std::string>> services);

}  // namespace runner
