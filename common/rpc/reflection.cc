#include "common/rpc/reflection.h"

#include <set>
#include <utility>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/grpcpp.h>

#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"

namespace runner {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using grpc::reflection::v1alpha::ServerReflection;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;
using ServiceList = std::shared_ptr<const std::vector<std::string>>;

// Adds the file and all its imports.
void AddFiles(const FileDescriptor& file, std::set<std::string>& added,
              ServerReflectionResponse& into) {
  if (!added.insert(file.name()).second) return;
  google::protobuf::FileDescriptorProto description;
  file.CopyTo(&description);
  into.mutable_file_descriptor_response()->add_file_descriptor_proto(
      description.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) AddFiles(*file.dependency(i), added, into);
}

void SetError(grpc::StatusCode code, const std::string& message, ServerReflectionResponse& into) {
  into.mutable_error_response()->set_error_code(code);
  into.mutable_error_response()->set_error_message(message);
}

void SetFile(const FileDescriptor* file, ServerReflectionResponse& into) {
  if (file == nullptr) return SetError(grpc::NOT_FOUND, "not known to this server", into);
  std::set<std::string> added;
  AddFiles(*file, added, into);
}

ServerReflectionResponse Answer(const ServerReflectionRequest& request,
                                const ServiceList& services) {
  ServerReflectionResponse response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kListServices:
      response.mutable_list_services_response();
      for (const std::string& name : *services) {
        response.mutable_list_services_response()->add_service()->set_name(name);
      }
      break;
    case ServerReflectionRequest::kFileByFilename:
      SetFile(pool.FindFileByName(request.file_by_filename()), response);
      break;
    case ServerReflectionRequest::kFileContainingSymbol:
      SetFile(pool.FindFileContainingSymbol(request.file_containing_symbol()), response);
      break;
    default:
      SetError(grpc::UNIMPLEMENTED, "this server has no extensions", response);
  }
  return response;
}

// One call: responds to each request before it reads the next. Owns itself until OnDone.
class Call final
    : public grpc::ServerBidiReactor<ServerReflectionRequest, ServerReflectionResponse> {
 public:
  explicit Call(ServiceList services) : services_(std::move(services)) { StartRead(&request_); }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    response_ = Answer(request_, services_);
    StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  const ServiceList services_;
  ServerReflectionRequest request_;
  ServerReflectionResponse response_;
};

class Reflection final : public ServerReflection::CallbackService {
 public:
  explicit Reflection(ServiceList services) : services_(std::move(services)) {}

  grpc::ServerBidiReactor<ServerReflectionRequest, ServerReflectionResponse>* ServerReflectionInfo(
      grpc::CallbackServerContext*) override {
    return new Call(services_);
  }

 private:
  const ServiceList services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewReflectionService(ServiceList services) {
  return std::make_unique<Reflection>(std::move(services));
}

}  // namespace runner
