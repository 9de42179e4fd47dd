"""Serve the language host: print the port, serve until told to stop."""

from __future__ import annotations

import sys

from pulumi.runtime.proto import language_pb2_grpc

from commonweal_local.pulumi_kubernetes.serving import serve
from commonweal_local.pulumi_language.host import PythonHost


def main() -> None:
    engine = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    host = PythonHost(engine)
    serve(lambda server: language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server), at_end=host.end)


if __name__ == "__main__":
    main()
