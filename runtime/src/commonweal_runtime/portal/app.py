"""The portal's application: its settings, its routes, and how what goes wrong is answered."""

from __future__ import annotations

from functools import partial
from typing import Any

from litestar import Litestar, Request, Response, get

from commonweal_runtime import serving
from commonweal_runtime.portal import frame
from commonweal_runtime.portal.headers import asset_headers
from commonweal_runtime.portal.service import Portal
from commonweal_runtime.portal.settings import Settings
from commonweal_runtime.portal.views import routes
from commonweal_runtime.problems import no_such_page
from commonweal_runtime.serving import Application, Failures, Front, json_answer, live

LONGEST_BODY = 64 * 1024


def create() -> Application:
    """Return the application that the environment describes."""
    serving.start_log()
    return Front(application(Portal.of(Settings.from_environment())))


def application(portal: Portal) -> Litestar:
    """Return the application around a portal."""
    failures = Failures(
        service="portal",
        see="/",
        too_large=partial(serving.too_large, LONGEST_BODY),
        form=partial(frame.problem_page, portal),
    )
    return serving.assemble([live, *_files(portal), *routes(portal)], failures, largest=LONGEST_BODY, running=portal.running)


def _files(portal: Portal) -> list[Any]:
    @get("/readyz")
    async def ready() -> Response[bytes]:
        return json_answer({"ready": True})

    @get("/assets/{name:str}")
    async def asset(request: Request[Any, Any, Any]) -> Response[bytes]:
        found = portal.assets.file(request.path_params["name"])
        if found is None:
            raise no_such_page()
        return Response(found.content, media_type=found.kind, headers=asset_headers(secure=portal.settings.secure))

    return [ready, asset]
