"""The OpenAPI document against the service, by schemathesis: no server error, and nothing that the document does not say.

Schemathesis makes the requests from the document itself: right ones, and for each parameter and body every way to be wrong that its schema lets one
think of. It weighs nine packages in the test group; with hypothesis alone, the generators and the checks of conformance would have been ours to write.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from support.data_api import DEPARTMENT, subject
from support.department import REGISTRAR, Department

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.allow_header_conformance,
    checks.unsupported_method,
    checks.missing_required_header,
]
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
OWN = {"/v1/delegations", "/v1/delegations/{delegation}", "/v1/complaints", "/v1/complaints/{complaint}", "/v1/audit/export"}
EXAMPLES = 8


class Asker:
    """Sends cases with a token of whom the operation is for, and counts what came back."""

    def __init__(self, department: Department) -> None:
        self._department, self._session = department, requests.Session()
        self.statuses: Counter[int] = Counter()
        self.wrong: list[str] = []

    def ask(self, case: Case) -> None:
        """Send one case and note what is wrong with the answer."""
        headers = {**(case.headers or {}), "Authorization": f"Bearer {self._token(case)}"}
        answer = case.call(base_url=self._department.api.url, session=self._session, headers=headers, allow_redirects=False, timeout=10)
        self.statuses[answer.status_code] += 1
        try:
            case.validate_response(answer, checks=CHECKS)
        except BaseExceptionGroup as found:
            self.wrong += [f"{case.operation.label}: {error}"[:1500] for error in found.exceptions]

    def _token(self, case: Case) -> str:
        d = self._department
        if case.operation.path.startswith("/me"):
            return d.person(subject("P180"))
        return d.client(DEPARTMENT, REGISTRAR) if case.operation.path in OWN else d.client("tax", "app")


@pytest.fixture(scope="module")
def operations(department: Department) -> list[Any]:
    """Every operation of the document that the service gives."""
    described = schemathesis.openapi.from_url(department.api.url + "/openapi.json")
    return [found.ok() for found in described.get_all_operations()]


def systematic(operation: Any) -> Iterator[Case]:
    """Return a case for each way in which a request can be right or wrong by the document."""
    config = operation.schema.config.generation_for(operation=operation, phase="coverage")
    yield from operation.schema.iter_coverage_cases(operation, generation_modes=MODES, generation_config=config)


def test_no_way_to_be_right_or_wrong_is_answered_otherwise_than_the_document_says(department: Department, operations: list[Any]) -> None:
    asker = Asker(department)
    for operation in operations:
        for case in systematic(operation):
            asker.ask(case)
    assert not asker.wrong, "\n\n".join(asker.wrong[:10])
    assert {200, 400, 403, 404, 405} <= set(asker.statuses)
    assert sum(asker.statuses.values()) > 500


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_no_random_request_is_answered_otherwise_than_the_document_says(
    department: Department, operations: list[Any], mode: GenerationMode
) -> None:
    asker = Asker(department)
    for operation in operations:
        fuzz(asker, operation.as_strategy(generation_mode=mode))
    assert not asker.wrong, "\n\n".join(asker.wrong[:10])
    assert sum(asker.statuses.values()) > 100


def fuzz(asker: Asker, cases: Any) -> None:
    """Send random cases of one operation; the same ones in every run."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def send(case: Case) -> None:
        asker.ask(case)

    send()
