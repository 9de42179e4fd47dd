"""Serve the Kubernetes plug-in: print the port, serve until told to stop."""

from __future__ import annotations

import sys

from pulumi.runtime.proto import provider_pb2_grpc

from commonweal_local.pulumi_kubernetes.servicer import Provider
from commonweal_local.pulumi_kubernetes.serving import serve


def main() -> None:
    engine = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    provider = Provider(engine)
    serve(lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server), at_end=provider.cancelled.set)


if __name__ == "__main__":
    main()
