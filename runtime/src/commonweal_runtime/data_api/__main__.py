"""Run the data API: `python -m commonweal_runtime.data_api`. COMMONWEAL_LISTEN and COMMONWEAL_PORT say where (all addresses, 8080)."""

from __future__ import annotations

from commonweal_runtime.server import serve

PORT = 8080


def main() -> None:
    """Serve until SIGTERM. One process: what it does is wait for the store, and the pod is what is multiplied."""
    serve("commonweal_runtime.data_api.app:create", PORT)


if __name__ == "__main__":
    main()
