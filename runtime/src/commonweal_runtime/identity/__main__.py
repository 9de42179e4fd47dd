"""`python -m commonweal_runtime.identity`: let people sign in until told to stop."""

from __future__ import annotations

from commonweal_runtime.server import serve

PORT = 8082


def main() -> None:
    """Serve in one worker: codes and counts of failed attempts live in its memory."""
    serve("commonweal_runtime.identity.app:create", PORT)


if __name__ == "__main__":
    main()
