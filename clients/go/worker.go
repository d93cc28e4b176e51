// A complete small worker: creates an experiment, trains something trivial on every suggestion, reads the front.
//
//	worker [HOST:PORT]        PARETUNE_CA and PARETUNE_TOKEN as in connection.go
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"math"
	"os"
	"time"

	"google.golang.org/grpc"

	paretune "paretune/v1"
)

const trials = 12

// requestID makes a call happen once, however often it is sent.
func requestID() string {
	bytes := make([]byte, 16)
	if _, err := rand.Read(bytes); err != nil {
		log.Fatal(err)
	}
	return fmt.Sprintf("%x", bytes)
}

// train fits y = 2 x + 1 by gradient descent: the more steps, the smaller the loss and the greater the cost.
func train(rate float64, steps int64) (loss, cost float64) {
	var slope, offset float64
	for step := int64(0); step < steps; step++ {
		var bySlope, byOffset float64
		for x := -1.0; x < 1; x += 0.1 {
			miss := slope*x + offset - (2*x + 1)
			bySlope += miss * x / 20
			byOffset += miss / 20
		}
		slope -= rate * bySlope
		offset -= rate * byOffset
	}
	for x := -1.0; x < 1; x += 0.1 {
		loss += math.Pow(slope*x+offset-(2*x+1), 2) / 20
	}
	return math.Log10(loss + 1e-12), float64(steps)
}

func run(ctx context.Context, address string) error {
	channel, err := connect(address, grpc.WithPerRPCCredentials(ownToken()))
	if err != nil {
		return err
	}
	defer channel.Close()
	store, optimizer := paretune.NewStoreServiceClient(channel), paretune.NewOptimizerServiceClient(channel)
	created, err := store.CreateExperiment(ctx, &paretune.CreateExperimentRequest{
		RequestId: requestID(),
		Experiment: &paretune.Experiment{
			Name: "line fit (Go)",
			Parameters: []*paretune.Parameter{
				{Name: "rate", Domain: &paretune.Parameter_DoubleDomain{
					DoubleDomain: &paretune.DoubleDomain{Min: 0.001, Max: 1, Log: true}}},
				{Name: "steps", Domain: &paretune.Parameter_IntDomain{
					IntDomain: &paretune.IntDomain{Min: 1, Max: 100, Log: true}}},
			},
			Metrics: []*paretune.Metric{
				{Name: "loss", Goal: paretune.Goal_GOAL_MINIMIZE},
				{Name: "cost", Goal: paretune.Goal_GOAL_MINIMIZE, Unit: "steps"},
			},
			ObservationBudget: trials,
		},
	})
	if err != nil {
		return err
	}
	id, worker := created.Experiment.Id, fmt.Sprintf("go-%d", os.Getpid())
	for trial := 0; trial < trials; trial++ {
		reply, err := optimizer.Suggest(ctx, &paretune.SuggestRequest{
			ExperimentId: id, Worker: worker, RequestId: requestID()})
		if err != nil {
			return err
		}
		suggestion := reply.Suggestions[0]
		loss, cost := train(suggestion.Assignments["rate"].GetDoubleValue(), suggestion.Assignments["steps"].GetIntValue())
		_, err = store.Observe(ctx, &paretune.ObserveRequest{
			RequestId: requestID(), Fence: suggestion.Lease.Fence,
			Observation: &paretune.Observation{ExperimentId: id, SuggestionId: suggestion.Id,
				Values: []*paretune.MetricValue{{Metric: "loss", Value: loss}, {Metric: "cost", Value: cost}}}})
		if err != nil {
			return err
		}
	}
	reply, err := optimizer.GetParetoFront(ctx, &paretune.GetParetoFrontRequest{ExperimentId: id})
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d observations, hypervolume %.4f\n", id, reply.Front.ObservationCount, reply.Front.Hypervolume)
	for _, point := range reply.Front.Points {
		found := point.Observation
		fmt.Printf("rate=%.3g steps=%d", found.Assignments["rate"].GetDoubleValue(), found.Assignments["steps"].GetIntValue())
		for _, value := range found.Values {
			fmt.Printf(" %s=%.3g", value.Metric, value.Value)
		}
		fmt.Println()
	}
	return nil
}

func main() {
	address := "127.0.0.1:50051"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := run(ctx, address); err != nil {
		log.Fatal(err)
	}
}
