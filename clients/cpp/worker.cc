// A complete small worker: creates an experiment, trains something trivial on every suggestion, reads the front.
//
//   worker [HOST:PORT]        PARETUNE_CA and PARETUNE_TOKEN as in connection.h
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <iostream>
#include <utility>

#include "connection.h"
#include "paretune/v1/optimizer.grpc.pb.h"
#include "paretune/v1/store.grpc.pb.h"

namespace v1 = paretune::v1;

namespace {

constexpr int kTrials = 12;

// Makes one call with a deadline; throws when it fails.
template <typename Reply, typename Stub, typename Method, typename Request>
Reply Call(const Stub& stub, Method method, const Request& request) {
  grpc::ClientContext context;
  Prepare(context);
  Reply reply;
  const grpc::Status status = (stub.get()->*method)(&context, request, &reply);
  if (!status.ok()) throw std::runtime_error(std::to_string(status.error_code()) + " " + status.error_message());
  return reply;
}

// Fits y = 2 x + 1 by gradient descent: the more steps, the smaller the loss and the greater the cost.
std::pair<double, double> Train(double rate, int64_t steps) {
  double slope = 0, offset = 0, loss = 0;
  const auto miss = [&](double x) { return slope * x + offset - (2 * x + 1); };
  for (int64_t step = 0; step < steps; ++step) {
    double by_slope = 0, by_offset = 0;
    for (int i = 0; i < 20; ++i) {
      const double x = i / 10.0 - 1;
      by_slope += miss(x) * x / 20;
      by_offset += miss(x) / 20;
    }
    slope -= rate * by_slope;
    offset -= rate * by_offset;
  }
  for (int i = 0; i < 20; ++i) loss += std::pow(miss(i / 10.0 - 1), 2) / 20;
  return {std::log10(loss + 1e-12), static_cast<double>(steps)};
}

v1::CreateExperimentRequest NewExperiment() {
  v1::CreateExperimentRequest request;
  request.set_request_id(Unique());
  v1::Experiment& experiment = *request.mutable_experiment();
  experiment.set_name("line fit (C++)");
  experiment.set_observation_budget(kTrials);
  v1::Parameter& rate = *experiment.add_parameters();
  rate.set_name("rate");
  rate.mutable_double_domain()->set_min(0.001);
  rate.mutable_double_domain()->set_max(1);
  rate.mutable_double_domain()->set_log(true);
  v1::Parameter& steps = *experiment.add_parameters();
  steps.set_name("steps");
  steps.mutable_int_domain()->set_min(1);
  steps.mutable_int_domain()->set_max(100);
  steps.mutable_int_domain()->set_log(true);
  for (const char* name : {"loss", "cost"}) {
    v1::Metric& metric = *experiment.add_metrics();
    metric.set_name(name);
    metric.set_goal(v1::GOAL_MINIMIZE);
  }
  return request;
}

void Run(const std::string& address) {
  const auto channel = Connect(address);
  const auto store = v1::StoreService::NewStub(channel);
  const auto optimizer = v1::OptimizerService::NewStub(channel);
  const std::string id =
      Call<v1::CreateExperimentResponse>(store, &v1::StoreService::Stub::CreateExperiment, NewExperiment())
          .experiment().id();
  for (int trial = 0; trial < kTrials; ++trial) {
    v1::SuggestRequest ask;
    ask.set_experiment_id(id);
    ask.set_worker("cpp-" + std::to_string(getpid()));
    ask.set_request_id(Unique());
    const v1::Suggestion suggestion =
        Call<v1::SuggestResponse>(optimizer, &v1::OptimizerService::Stub::Suggest, ask).suggestions(0);
    const auto [loss, cost] = Train(suggestion.assignments().at("rate").double_value(),
                                    suggestion.assignments().at("steps").int_value());
    v1::ObserveRequest tell;
    tell.set_request_id(Unique());
    tell.set_fence(suggestion.lease().fence());
    tell.mutable_observation()->set_experiment_id(id);
    tell.mutable_observation()->set_suggestion_id(suggestion.id());
    for (const auto& [name, value] : {std::pair{"loss", loss}, std::pair{"cost", cost}}) {
      v1::MetricValue& measured = *tell.mutable_observation()->add_values();
      measured.set_metric(name);
      measured.set_value(value);
    }
    Call<v1::ObserveResponse>(store, &v1::StoreService::Stub::Observe, tell);
  }
  v1::GetParetoFrontRequest request;
  request.set_experiment_id(id);
  const v1::ParetoFront front =
      Call<v1::GetParetoFrontResponse>(optimizer, &v1::OptimizerService::Stub::GetParetoFront, request).front();
  std::printf("%s: %ld observations, hypervolume %.4f\n", id.c_str(), static_cast<long>(front.observation_count()),
              front.hypervolume());
  for (const v1::ParetoPoint& point : front.points()) {
    const auto& assignments = point.observation().assignments();
    std::printf("rate=%.3g steps=%ld", assignments.at("rate").double_value(),
                static_cast<long>(assignments.at("steps").int_value()));
    for (const v1::MetricValue& value : point.observation().values())
      std::printf(" %s=%.3g", value.metric().c_str(), value.value());
    std::printf("\n");
  }
}

}  // namespace

int main(int count, char** arguments) {
  try {
    Run(count > 1 ? arguments[1] : "127.0.0.1:50051");
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
