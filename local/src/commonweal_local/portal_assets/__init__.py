"""The portal's style and script, compiled once from pinned packages into the cache: for its image, for the bundle, for `commonweal dev` and for tests."""

from __future__ import annotations

from commonweal_local.portal_assets.build import assets, folder, served

__all__ = ["assets", "folder", "served"]
