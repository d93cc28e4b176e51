// Run the conformance cases: conformance HOST:PORT CASES.json...
// Prints TAP; exits with 1 when a case failed. The format: clients/conformance/README.md.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/generic/generic_stub.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "connection.h"
#include "details.pb.h"
#include "paretune/v1/optimizer.pb.h"
#include "paretune/v1/store.pb.h"

namespace pb = google::protobuf;
using Json = nlohmann::json;

namespace {

struct Mismatch : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::map<std::string, std::string> known;  // variables of the cases
std::map<std::string, std::string> kept;   // replies, byte by byte

const char* CodeName(grpc::StatusCode code) {
  static const char* const names[] = {
      "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
      "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
      "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"};
  return names[code];
}

Json Filled(const Json& value) {
  if (value.is_string()) {
    std::string text = value;
    for (size_t begin; (begin = text.find("${")) != std::string::npos;) {
      const size_t end = text.find('}', begin);
      text.replace(begin, end - begin + 1, known.at(text.substr(begin + 2, end - begin - 2)));
    }
    return text;
  }
  Json filled = value;
  if (value.is_structured())
    for (auto& [key, item] : filled.items()) item = Filled(item);
  return filled;
}

void Compare(const std::string& path, const Json& expected, const Json& actual) {
  bool same = expected == actual;
  if (expected == "$any") {
    same = !actual.is_null();
  } else if (expected.is_object() && actual.is_object()) {
    for (const auto& [key, value] : expected.items())
      Compare(path + "." + key, value, actual.contains(key) ? actual[key] : Json());
    return;
  } else if (expected.is_array() && actual.is_array() && expected.size() == actual.size()) {
    for (size_t i = 0; i < expected.size(); ++i) Compare(path + "[" + std::to_string(i) + "]", expected[i], actual[i]);
    return;
  }
  if (!same) throw Mismatch(path + ": expected " + expected.dump() + ", got " + actual.dump());
}

std::string FromHex(const std::string& digits) {
  std::string bytes;
  for (size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  return bytes;
}

std::unique_ptr<pb::Message> New(const pb::Descriptor* type) {
  return std::unique_ptr<pb::Message>(pb::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

std::string Encoded(const Json& step, const pb::MethodDescriptor* method) {
  if (step.contains("request_hex")) return FromHex(step["request_hex"]);
  const auto message = New(method->input_type());
  const auto status = pb::util::JsonStringToMessage(Filled(step["request"]).dump(), message.get());
  if (!status.ok()) throw Mismatch("cannot encode the request: " + status.ToString());
  return message->SerializeAsString();
}

// Sends one message; gives the status and the last bytes received: the reply, or reply number `replies`.
grpc::Status Exchange(grpc::GenericStub& stub, const Json& step, const std::string& sent, std::string& received) {
  grpc::ClientContext context;
  Prepare(context, std::chrono::milliseconds(step.value("deadline_ms", 30000)),
          step.value("token", Environment("PARETUNE_TOKEN")));
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareCall(&context, "/" + step["call"].get<std::string>(), &queue);
  const auto wait = [&queue] {
    void* tag;
    bool ok = false;
    queue.Next(&tag, &ok);
    return ok;
  };
  call->StartCall(nullptr);
  if (wait()) {
    const grpc::Slice slice(sent);
    call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
    wait();
    grpc::ByteBuffer buffer;
    for (int number = 1; call->Read(&buffer, nullptr), wait(); ++number) {
      std::vector<grpc::Slice> slices;
      buffer.Dump(&slices);
      received.clear();
      for (const auto& part : slices) received.append(reinterpret_cast<const char*>(part.begin()), part.size());
      if (number == step.value("replies", 0)) {
        context.TryCancel();
        grpc::Status ignored;
        call->Finish(&ignored, nullptr);
        wait();
        return grpc::Status::OK;
      }
    }
  }
  grpc::Status status;
  call->Finish(&status, nullptr);
  wait();
  return status;
}

void CheckError(const Json& step, const grpc::Status& status) {
  if (!step.contains("status"))
    throw Mismatch(std::string("expected OK, got ") + CodeName(status.error_code()) + ": " + status.error_message());
  Compare("status", step["status"], CodeName(status.error_code()));
  paretune::example::Status packed;
  packed.ParseFromString(status.error_details());
  paretune::example::ErrorInfo info;
  paretune::example::BadRequest bad;
  paretune::example::RetryInfo retry;
  const auto ends_with = [](const std::string& text, const std::string& end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
  };
  for (const pb::Any& detail : packed.details()) {
    if (ends_with(detail.type_url(), "google.rpc.ErrorInfo")) info.ParseFromString(detail.value());
    if (ends_with(detail.type_url(), "google.rpc.BadRequest")) bad.ParseFromString(detail.value());
    if (ends_with(detail.type_url(), "google.rpc.RetryInfo")) retry.ParseFromString(detail.value());
  }
  if (step.contains("reason")) Compare("reason", step["reason"], info.reason());
  if (step.contains("metadata"))
    Compare("metadata", Filled(step["metadata"]), std::map<std::string, std::string>(info.metadata().begin(), info.metadata().end()));
  if (step.contains("retry_ms"))
    Compare("retry_ms", step["retry_ms"], retry.retry_delay().seconds() * 1000 + retry.retry_delay().nanos() / 1000000);
  const Json fields = step.value("fields", Json::array());
  for (const std::string field : fields)
    if (std::none_of(bad.field_violations().begin(), bad.field_violations().end(),
                     [&field](const auto& violation) { return violation.field() == field; }))
      throw Mismatch("fields: " + field + " is missing in " + bad.ShortDebugString());
}

void Run(grpc::GenericStub& stub, const Json& step) {
  std::string path = step["call"];
  std::replace(path.begin(), path.end(), '/', '.');
  const pb::MethodDescriptor* method = pb::DescriptorPool::generated_pool()->FindMethodByName(path);
  std::string reply;
  const grpc::Status status = Exchange(stub, step, Encoded(step, method), reply);
  if (!status.ok()) return CheckError(step, status);
  if (step.contains("status")) throw Mismatch("expected " + step["status"].dump() + ", got OK");
  if (step.contains("equals") && reply != kept.at(step["equals"])) throw Mismatch("the reply differs from the first one");
  if (step.contains("remember")) kept[step["remember"]] = reply;
  const auto message = New(method->output_type());
  message->ParseFromString(reply);
  pb::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!pb::util::MessageToJsonString(*message, &text, options).ok()) throw Mismatch("cannot print the reply");
  const Json document = Json::parse(text);
  Compare("reply", Filled(step.value("reply", Json::object())), document);
  const Json save = step.value("save", Json::object());
  for (const auto& [name, where] : save.items()) {
    std::string pointer = "/" + where.get<std::string>();
    std::replace(pointer.begin(), pointer.end(), '.', '/');
    known[name] = document.at(Json::json_pointer(pointer));
  }
}

}  // namespace

int main(int count, char** arguments) {
  // Referring to the messages keeps their descriptors in the program.
  paretune::v1::SuggestRequest::descriptor();
  paretune::v1::ObserveRequest::descriptor();
  grpc::GenericStub stub(Connect(arguments[1]));
  known["run"] = Unique(8);
  int number = 0, failed = 0;
  for (int file = 2; file < count; ++file) {
    std::ifstream stream(arguments[file]);
    for (const Json& item : Json::parse(stream)) {
      ++number;
      std::string remark;
      for (const Json& step : item["steps"]) {
        try {
          Run(stub, step);
        } catch (const std::exception& error) {
          remark = "\n# " + step["call"].get<std::string>() + ": " + error.what();
          ++failed;
          break;
        }
      }
      std::cout << (remark.empty() ? "ok " : "not ok ") << number << " - " << item["name"].get<std::string>() << remark << "\n";
    }
  }
  std::cout << "1.." << number << "\n";
  return failed == 0 ? 0 : 1;
}
