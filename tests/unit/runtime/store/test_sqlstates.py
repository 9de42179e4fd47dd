"""The register of SQLSTATEs is what our SQL raises, no more and no less, and each is told as it says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import pytest

import commonweal_runtime
from commonweal_api.data_product import DataProductSpec
from commonweal_api.plan import AgreementPlan
from commonweal_runtime import generate
from commonweal_runtime.audit.service import AuditService
from commonweal_runtime.data_api.linkage_routes import Linkage
from commonweal_runtime.data_api.people import People, Registrars
from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.federation.serving import FeedService
from commonweal_runtime.store.agreements import PublisherContext, Served, compile_agreement
from commonweal_runtime.store.preconditions import preconditions_of
from commonweal_runtime.store.problems import Terms, problem_of
from commonweal_runtime.store.sqlstates import PREFIX, REGISTER, UNAVAILABLE, SqlState, ours
from support.data_api import agreement, person_product

SOURCES = Path(commonweal_runtime.__file__).parent
CODE = re.compile(rf"'({PREFIX}\w{{3}})'")
LIMITS = {"maxRows": 5, "requests": {"max": 3, "seconds": 60}, "once": True}
ME = UUID(int=1)
WHO = SimpleNamespace(actor=ME, subject=ME)
SAID = SimpleNamespace(subject=ME, delegate=ME, type="Adviser", acts=["See"], agreements=[], begins=None, ends=None)
READ = SimpleNamespace(agreement=SimpleNamespace(number=1))


class Heritage:
    port = 1


def in_files() -> set[str]:
    texts = (re.sub(r"--.*", "", path.read_text()) for path in SOURCES.rglob("*.sql"))
    return {code for text in texts for code in CODE.findall(text)}


def compiled(key_type: str | None = None, **serve: str) -> Iterable[str]:
    answer = {"name": "adult", "expression": "born <= current_date - interval '18 years'", "description": "Is the person 18?"}
    check = {"name": "some", "metric": "RowCount", "atLeast": 1, "onFail": "StopServing"}
    raw = person_product(Heritage(), serve=serve)  # type: ignore[arg-type]
    more = {} if key_type else {"answers": [answer], "quality": [check]}
    product = Served("p", "people", "people_x", DataProductSpec.model_validate(raw | more), (), key_type)
    fields = ["fullName"] if key_type else ["fullName", "adult"]
    plan = AgreementPlan(name="a", uid="u", generation=1, spec=agreement(fields=fields, limits=LIMITS))  # type: ignore[arg-type]
    preconditions = preconditions_of(plan.spec, product, fed=True)
    return compile_agreement(7, plan, product, PublisherContext(preconditions=preconditions)).statements


def in_doors() -> set[str]:
    doors = (compiled(), compiled(auditDurability="Strict"), compiled("text", mode="Live"))
    return {code for statements in doors for statement in statements for code in CODE.findall(statement)}


def test_the_register_has_what_is_raised_and_nothing_else() -> None:
    assert in_files() | in_doors() == set(map(str, REGISTER))
    assert set(REGISTER) == set(SqlState)


def test_no_code_is_written_outside_the_register() -> None:
    written = {path.name for path in SOURCES.rglob("*.py") if re.search(rf"\b{PREFIX}\d{{3}}\b", path.read_text())}
    assert written == {"sqlstates.py"}


def test_the_page_is_what_the_register_gives() -> None:
    for path, text in generate.rendered().items():
        assert (generate.REPOSITORY / path).read_text() == text, f"{path}: run `python -m commonweal_runtime.generate`"


def test_only_our_own_codes_are_known() -> None:
    assert ours("CW001") is SqlState.PURPOSE_NOT_AGREED
    assert [ours(state) for state in ("CW999", "42501", "", None)] == [None] * 4


def error_of(state: str, text: str = "3") -> asyncpg.PostgresError:
    error = asyncpg.PostgresError(text)
    error.sqlstate = state
    return error


def told(problem: ProblemError) -> str:
    return f"{problem.status} {problem.reason}"


class Refusing:
    """A store that refuses every statement with one state."""

    def __init__(self, state: str, text: str = "3") -> None:
        self.error = error_of(state, text)

    async def call(self, *_: Any) -> str | None:
        raise self.error


Ask = Callable[[Any], Any]
ASKED: dict[str, Ask] = {
    "uses": lambda store: People(store).uses(WHO, 9, 9),  # type: ignore[arg-type]
    "consents": lambda store: People(store).consents(WHO),  # type: ignore[arg-type]
    "consent": lambda store: People(store).consent(WHO, "a", "Given"),  # type: ignore[arg-type]
    "objection": lambda store: People(store).objection(WHO, "a", objected=True),  # type: ignore[arg-type]
    "delegations": lambda store: People(store).delegations(WHO),  # type: ignore[arg-type]
    "delegate": lambda store: People(store).delegate(WHO, SAID),  # type: ignore[arg-type]
    "end a delegation": lambda store: People(store).end_delegation(WHO, ME),  # type: ignore[arg-type]
    "export": lambda store: People(store).export(WHO),  # type: ignore[arg-type]
    "erase": lambda store: People(store).erase(WHO, "people"),  # type: ignore[arg-type]
    "a registrar's delegations": lambda store: Registrars(store).delegations("a/b", ME),
    "a registrar delegates": lambda store: Registrars(store).delegate("a/b", SAID),  # type: ignore[arg-type]
    "a registrar ends": lambda store: Registrars(store).end("a/b", ME),
    "linkage": lambda store: Linkage(SimpleNamespace(pools=store)).remove(READ, None),  # type: ignore[arg-type]
    "proof": lambda store: AuditService(store, b"k" * 32).use_proof(ME, ME, 1),
    "auditors' export": lambda store: AuditService(store, b"k" * 32).export("a/b"),
}


@pytest.mark.parametrize("state", SqlState)
@pytest.mark.parametrize("what", ASKED)
def test_each_operation_tells_a_refusal_as_the_register_says(state: SqlState, what: str) -> None:
    with pytest.raises(ProblemError) as refused:
        asyncio.run(ASKED[what](Refusing(state)))
    assert told(refused.value) in (*REGISTER[state].problems, UNAVAILABLE)


@pytest.mark.parametrize("state", SqlState)
def test_what_means_the_same_everywhere_is_told_the_same_everywhere(state: SqlState) -> None:
    own = {SqlState.NOT_PERMITTED, SqlState.NOT_FOUND, SqlState.NOT_POSSIBLE}
    expected = REGISTER[state].problems if state not in own and REGISTER[state].problems else (UNAVAILABLE,)
    assert (told(problem_of(error_of(state), Terms("a", ("p/q",), ("f",)))),) == expected


def test_every_problem_of_the_register_is_told_by_something() -> None:
    found = {told(problem_of(error_of(state))) for state in SqlState}
    for ask in ASKED.values():
        for state in SqlState:
            with pytest.raises(ProblemError) as refused:
                asyncio.run(ask(Refusing(state)))
            found.add(told(refused.value))
    assert {problem for entry in REGISTER.values() for problem in entry.problems} <= found


@pytest.mark.parametrize(
    ("state", "text", "detail"),
    [
        ("CW400", "state: write Given.", "state: write Given."),
        ("CW400", "links: a reference is given twice", "links: a reference is given twice."),
        ("CW409", "consent is not the basis", "Consent is not the basis."),
    ],
)
def test_a_text_that_is_written_for_it_is_shown(state: str, text: str, detail: str) -> None:
    with pytest.raises(ProblemError) as refused:
        asyncio.run(ASKED["consent"](Refusing(state, text)))
    assert refused.value.detail == detail


@pytest.mark.parametrize("state", [*SqlState, "XX000", "42501"])
def test_no_other_text_is_shown(state: str) -> None:
    shown = {SqlState.INVALID_VALUE, SqlState.NOT_POSSIBLE, SqlState.DEPARTMENT_MOVED}
    for what, ask in ASKED.items():
        with pytest.raises(ProblemError) as refused:
            asyncio.run(ask(Refusing(state, "secret")))
        assert state in shown or "secret" not in str(refused.value), what


def test_another_site_is_told_of_a_refusal_as_of_a_store_that_is_away() -> None:
    feed = FeedService(Refusing("XX000", "secret"), b"k" * 32, "registry")
    with pytest.raises(ProblemError) as refused:
        asyncio.run(feed._call("select 1"))
    assert told(refused.value) == UNAVAILABLE
