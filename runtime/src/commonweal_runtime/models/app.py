"""The model runtime put together: settings, service, routes, and how what goes wrong is answered."""

from __future__ import annotations

from litestar import Litestar

from commonweal_runtime import serving
from commonweal_runtime.exceptions import InferenceRequestError
from commonweal_runtime.models import problems
from commonweal_runtime.models.bodies import MOST_BYTES
from commonweal_runtime.models.log import STORE_ERRORS
from commonweal_runtime.models.oip_routes import oip_routes
from commonweal_runtime.models.routes import model_routes
from commonweal_runtime.models.service import Service
from commonweal_runtime.models.settings import Settings
from commonweal_runtime.serving import Application, Failures, Front

FAILURES = Failures(
    service="model runtime",
    see="docs/reference/models-api.md",
    too_large=problems.too_large,
    own={InferenceRequestError: problems.infer_error, **dict.fromkeys(STORE_ERRORS, lambda _: problems.store_unavailable())},
    form=problems.response,
)


def create() -> Application:
    """Return the application that the environment describes."""
    serving.start_log()
    return Front(application(Service(Settings.from_environment())))


def application(service: Service) -> Litestar:
    """Return the application around a service."""
    return serving.assemble([*model_routes(service), *oip_routes(service)], FAILURES, largest=MOST_BYTES, running=service.running)
