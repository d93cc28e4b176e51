// How to reach paretune: address, certificate and token.
package main

import (
	"context"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// Sending a call again is safe: each carries a request_id or changes nothing. grpc-go before 1.40 retries
// only with GRPC_GO_RETRY=on in the environment; the delay that an overloaded service asks for is honoured.
const serviceConfig = `{"methodConfig": [{"name": [{}], "retryPolicy": {
  "maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 2.5,
  "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]}}]}`

// token is sent as a bearer token with every call; empty: nothing is sent.
type token string

func (t token) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	if t == "" {
		return nil, nil
	}
	return map[string]string{"authorization": "Bearer " + string(t)}, nil
}

func (t token) RequireTransportSecurity() bool { return false }

// ownToken is the token in PARETUNE_TOKEN.
func ownToken() token { return token(os.Getenv("PARETUNE_TOKEN")) }

// connect opens a channel: TLS when PARETUNE_CA names a PEM file, else plaintext.
func connect(address string, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	security := grpc.WithInsecure()
	if file := os.Getenv("PARETUNE_CA"); file != "" {
		certificate, err := credentials.NewClientTLSFromFile(file, "")
		if err != nil {
			return nil, err
		}
		security = grpc.WithTransportCredentials(certificate)
	}
	return grpc.Dial(address, append(options, security, grpc.WithDefaultServiceConfig(serviceConfig))...)
}
