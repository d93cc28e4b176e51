"""The dashboard: a gateway between browsers and the gRPC services, and the page that it serves."""
