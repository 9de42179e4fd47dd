"""`python -m commonweal_runtime.portal`: serve the people's pages until told to stop."""

from __future__ import annotations

from commonweal_runtime.server import serve

PORT = 8083


def main() -> None:
    """Serve until SIGTERM. Sessions lie in people's own encrypted cookies, so replicas share nothing but their Secret."""
    serve("commonweal_runtime.portal.app:create", PORT)


if __name__ == "__main__":
    main()
