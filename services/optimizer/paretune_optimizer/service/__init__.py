"""The Optimizer as others meet it: gRPC in, events from the Store, suggestions made ahead."""
