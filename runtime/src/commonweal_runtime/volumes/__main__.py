"""`python -m commonweal_runtime.volumes`: serve the mounted volumes until told to stop."""

from __future__ import annotations

from commonweal_runtime.server import serve

PORT = 8084


def main() -> None:
    """Serve in one process."""
    serve("commonweal_runtime.volumes.app:create", PORT)


if __name__ == "__main__":
    main()
