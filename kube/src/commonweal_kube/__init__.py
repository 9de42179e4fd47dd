"""One asynchronous client of an API server, with what a controller needs above it: used by the operator and by the provider of local sites."""
