// How to reach paretune: address, certificate and token.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>

// Sending a call again is safe: each carries a request_id or changes nothing. The delay that an overloaded
// service asks for (grpc-retry-pushback-ms) is honoured by the channel.
inline constexpr char kServiceConfig[] = R"({"methodConfig": [{"name": [{}], "retryPolicy": {
  "maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 2.5,
  "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]}}]})";

inline std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// A channel: TLS when PARETUNE_CA names a PEM file, else plaintext.
inline std::shared_ptr<grpc::Channel> Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(kServiceConfig);
  auto credentials = grpc::InsecureChannelCredentials();
  if (const std::string file = Environment("PARETUNE_CA"); !file.empty()) {
    std::ifstream stream(file);
    if (!stream) throw std::runtime_error("cannot read " + file);
    std::stringstream text;
    text << stream.rdbuf();
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = text.str();
    credentials = grpc::SslCredentials(options);
  }
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

// Deadline and token, if any, of one call.
inline void Prepare(grpc::ClientContext& context, std::chrono::milliseconds limit = std::chrono::seconds(30),
                    const std::string& token = Environment("PARETUNE_TOKEN")) {
  context.set_deadline(std::chrono::system_clock::now() + limit);
  if (!token.empty())
    context.AddMetadata("authorization", "Bearer " + token);
}

// Random hexadecimal digits: a request_id makes a call happen once, however often it is sent.
inline std::string Unique(int digits = 32) {
  static std::random_device device;
  std::string text;
  while (digits-- > 0) text += "0123456789abcdef"[device() % 16];
  return text;
}
