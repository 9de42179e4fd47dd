"""Departments hold people's data: nothing that would take them along is done by accident."""

from __future__ import annotations

from collections.abc import Callable

from commonweal_api.ending import CONFIRM_DELETE, CONFIRM_UNREACHABLE
from commonweal_kube.protocol import MERGE
from commonweal_local.exceptions import LocalError
from commonweal_local.waiting import until
from commonweal_stacks.api import Api
from commonweal_stacks.exceptions import SiteConfigError

PATH = "/apis/commonweal.dev/v1alpha1/departments"
NAMESPACES = "/api/v1/namespaces?labelSelector=commonweal.dev%2Fdepartment"
SECONDS = 300.0


def names(api: Api) -> list[str]:
    """Return the departments of a cluster; none when it does not know the kind."""
    return sorted(item["metadata"]["name"] for item in (api.find(PATH) or {}).get("items", []))


def namespaces(api: Api) -> list[str]:
    """Return the namespaces of departments, those too that are on their way out."""
    return sorted(item["metadata"]["name"] for item in api.call("GET", NAMESPACES)["items"])


def clear(kubeconfig: str, *, site: str, delete: bool, say: Callable[[str], None]) -> None:
    """Return once the site has no departments, nor namespaces of theirs. Raises LocalError when it has some and they are not to be deleted.

    They have to go while the operator runs, which alone can take down what it made for them; and their namespaces before the definitions of
    what lies in them.
    """
    try:
        _clear(Api(kubeconfig, site=site), delete=delete, say=say)
    except SiteConfigError as error:
        raise LocalError(f"the departments of site {site} cannot be looked after", str(error)) from error


def _clear(api: Api, *, delete: bool, say: Callable[[str], None]) -> None:
    found = names(api)
    if found and not delete:
        raise LocalError(
            f"site {api.site} holds the departments {', '.join(found)}, with their data",
            f"Move or delete them first, or delete them with the site: `commonweal site destroy {api.site} --delete-departments`.",
        )
    for name in found:
        # None waits for the others: all of them go, and the site with them.
        confirmed = dict.fromkeys((CONFIRM_DELETE, CONFIRM_UNREACHABLE), name)
        api.call("PATCH", f"{PATH}/{name}", {"metadata": {"annotations": confirmed}}, content=MERGE)
        api.call("DELETE", f"{PATH}/{name}")
    if found:
        say(f"waiting for the operator to take down {', '.join(found)}")
        until(f"the departments {', '.join(found)} to be gone", SECONDS, lambda: not names(api), every=0.5)
    until("the namespaces of departments to be gone with all that lies in them", SECONDS, lambda: not namespaces(api), every=0.5)
