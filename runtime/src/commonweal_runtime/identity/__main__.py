"""`python -m commonweal_runtime.identity`: let people sign in until told to stop."""

from __future__ import annotations

from commonweal_runtime.server import serve

PORT = 8082


def main() -> None:
    """Serve until SIGTERM. Counts of attempts live in its memory; replicas share their Secret and one store."""
    serve("commonweal_runtime.identity.app:create", PORT)


if __name__ == "__main__":
    main()
