"""A department whose store lies in its own namespace, on a real site: it serves on, and one command takes it into the platform's, whenever that is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from commonweal_api import namespace_of, platform_namespace_of
from commonweal_api.plan import audience_of
from commonweal_cli import main
from commonweal_cli.demo import bring_up
from commonweal_cli.demo.heritage import HeritageMachine
from commonweal_cli.demo.person import PEOPLE, SignIn
from commonweal_cli.demo.web import Answer, Caller, trust_of
from commonweal_cli.kubectl import Kubectl
from commonweal_local.waiting import within
from support.old_layout import SEED, OldDepartment
from support.signing import signed
from support.waiting import HANG, wait_for

pytestmark = pytest.mark.sites
NAME = "almanac"
OWN, OURS = namespace_of(NAME), platform_namespace_of(NAME)
EXAMPLE = bring_up.example()
# The registry's companies, under the keys by which a department that the example does not have knows its people.
TABLE = f"""
create table {NAME} (like company including all);
insert into {NAME} select * from company;
update {NAME} a set director_ref = 'P' || lpad(c.n::text, 6, '0')
  from (select director_ref, row_number() over (order by director_ref) n from company) c where c.director_ref = a.director_ref;
grant select on {NAME} to registry_reader;
"""


class Almanac:
    """The department as those who use it meet it."""

    def __init__(self, cluster: Kubectl, password: str) -> None:
        self.cluster = cluster
        address = cluster.get("services", "identity", bring_up.SYSTEM)["status"]["loadBalancer"]["ingress"][0]["ip"]
        self._session: Any = SignIn(f"https://{address}", trust_of(cluster)).person(PEOPLE[0], password, NAME)

    @property
    def api(self) -> str:
        return str((self.cluster.get("departments", NAME).get("status") or {}).get("dataApi", ""))

    def read(self) -> Answer:
        token = self.cluster.token(OWN, "desk", audience_of(NAME))
        caller = Caller(self.api, token, {"Purpose": f"{NAME}/check"}, trust_of(self.cluster))
        return caller.get(f"/v1/companies/subjects/{self._session.subject}")

    def says(self, state: str) -> Answer:
        return Caller(self.api, self._session.access_token, trust=trust_of(self.cluster)).call(
            "PUT", "/me/consents/desk-reads", {"state": state}
        )


def objects() -> list[dict[str, Any]]:
    """A login, an account, the registry's product, and an agreement by consent that the department makes with itself and has signed."""
    access = list(yaml.safe_load_all((EXAMPLE / "20-access.yaml").read_text()))
    login = next(d for d in access if d["metadata"]["name"] == "registry-database")
    product = next(yaml.safe_load_all((EXAMPLE / "30-products.yaml").read_text()))
    policies = yaml.safe_load_all((EXAMPLE / "40-agreements.yaml").read_text())
    policy = next(d for d in policies if d["metadata"]["name"] == "benefits-checks-company")
    purpose = {**policy["spec"]["purposes"][0], "key": f"{NAME}/check"}
    policy["spec"] |= {"consumer": {"department": NAME, "clients": ["desk"]}, "purposes": [purpose]}
    policy["metadata"] = {"name": "desk-reads", "namespace": OWN}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "desk", "namespace": OWN}}
    for each in (login, product):
        each["metadata"]["namespace"] = OWN
    product["spec"]["source"]["postgres"]["table"] = NAME
    return [login, account, product, signed(policy, {NAME: SEED}, product=product)]


async def fill(heritage: HeritageMachine) -> None:
    """Give the heritage machine the department's table."""
    async with heritage.connection("registry") as connection:
        await connection.execute(TABLE)


def split(cluster: Kubectl, *more: str) -> subprocess.Popen[str]:
    """Start the command as an administrator would."""
    words = ["department", "split", NAME, "--site", cluster.name, *more]
    command = [sys.executable, "-P", "-m", "commonweal_cli.main", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def serves(almanac: Almanac) -> bool:
    return answers(almanac, 200)


def answers(almanac: Almanac, status: int) -> bool:
    """Whether a use is answered so; a connection that was not taken in time, as on a busy machine, is no answer yet."""
    try:
        return almanac.read().status == status
    except OSError:
        return False


def plan_of(cluster: Kubectl, namespace: str) -> str:
    found = cluster.run("get", "configmap", "commonweal-store-plan", "-n", namespace, "-o", "jsonpath={.data}", "--ignore-not-found")
    return found.strip()


@pytest.fixture
def site(brought: bring_up.Brought, request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """The first site. A department that is not split in the end is taken away: the tests that follow wait for every one to be ready."""
    site = brought.clusters[0]
    failed = request.session.testsfailed
    yield site
    if request.session.testsfailed > failed:
        site.run(
            "annotate",
            "department",
            NAME,
            f"commonweal.dev/confirm-delete={NAME}",
            f"commonweal.dev/confirm-unreachable={NAME}",
            "--overwrite",
        )
        site.run("delete", "department", NAME)


def test_a_department_of_the_old_layout_is_taken_over_and_nothing_is_lost(brought: bring_up.Brought, site: Kubectl) -> None:
    asyncio.run(fill(brought.heritage))
    OldDepartment(site, NAME).make()
    for each in objects():
        site.apply_object(each)
    almanac = Almanac(site, brought.password)
    assert within(2 * HANG, lambda: serves_person(almanac)), site.get("departments", NAME).get("status")
    assert within(HANG, lambda: serves(almanac)), "the old store reads by consent"
    assert plan_of(site, OURS) == "", "the store that is not its authority yet gets no plan"
    before, subject = almanac.api, almanac.read().body["subject"]

    killed(site, almanac)
    process = split(site)
    said = process.communicate(timeout=3 * HANG)[0]
    assert process.returncode == 0, said
    assert "is kept" in said
    assert almanac.api != before
    assert within(HANG, lambda: serves(almanac)), "who consented is read on, with the same id"
    assert almanac.read().body["subject"] == subject
    assert main.main(["audit", "verify", NAME, "--site", site.name]) == 0, "every seal of the old store holds in the new one"

    process = split(site, "--remove-old")
    said = process.communicate(timeout=HANG)[0]
    assert process.returncode == 0, said
    left = site.run("get", "statefulset,pod,pvc,secret", "-n", OWN, "-o", "name").split()
    assert not [name for name in left if any(word in name for word in ("store", "data-api", "commonweal-"))], left
    assert almanac.says("Withdrawn").status == 200
    wait_for("the withdrawal to hold", lambda: answers(almanac, 404) or None)


def serves_person(almanac: Almanac) -> bool:
    """Give consent, once there is a data API that takes it."""
    try:
        return bool(almanac.api) and almanac.says("Given").status == 200
    except OSError:
        return False


def killed(site: Kubectl, almanac: Almanac) -> None:
    """The command is killed with everything that it started, while uses are refused: the old store serves again, and takes its plan."""
    process = split(site)
    wait_for("the department to be frozen", lambda: process.poll() is not None or answers(almanac, 503) or None)
    assert process.poll() is None, process.communicate()[0]
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert within(HANG, lambda: serves(almanac)), "whoever dies, the old store serves again"
