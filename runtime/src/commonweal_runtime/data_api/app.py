"""The data API put together: settings, service, routes, and how what goes wrong is answered."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from litestar import Litestar

from commonweal_runtime import serving
from commonweal_runtime.data_api import problems
from commonweal_runtime.data_api.consumer_routes import consumer_routes
from commonweal_runtime.data_api.department_routes import department_routes
from commonweal_runtime.data_api.linkage_routes import link_routes
from commonweal_runtime.data_api.linking_routes import case_routes, linking_routes
from commonweal_runtime.data_api.person_routes import person_routes
from commonweal_runtime.data_api.public_routes import public_routes
from commonweal_runtime.data_api.requests import LONGEST_BODY
from commonweal_runtime.data_api.service import Service
from commonweal_runtime.data_api.settings import Settings
from commonweal_runtime.exceptions import StoreUnreachableError
from commonweal_runtime.serving import Application, Failures, Front

FAILURES = Failures(
    service="data API",
    see="/openapi.json",
    too_large=partial(serving.too_large, LONGEST_BODY),
    own={StoreUnreachableError: lambda _: problems.store_unavailable()},
)


def create() -> Application:
    """Return the application that the environment describes."""
    serving.start_log()
    return Front(application(Service(Settings.from_environment())))


def application(service: Service, extra: Sequence[Any] = ()) -> Litestar:
    """Return the application around a service; `extra` are further routes, for measurements."""
    routes = [
        *consumer_routes(service),
        *link_routes(service),
        *person_routes(service),
        *linking_routes(service),
        *case_routes(service),
        *department_routes(service),
        *public_routes(service),
        *extra,
    ]
    return serving.assemble(routes, FAILURES, largest=LONGEST_BODY, running=service.running)
