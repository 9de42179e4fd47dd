"""What the data API makes of JSON that the store wrote, and of what it logs."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from commonweal_runtime.data_api.people import DecisionResult
from commonweal_runtime.data_api.person_routes import _receipted
from commonweal_runtime.data_api.problems import purpose_missing
from commonweal_runtime.data_api.service import Service
from commonweal_runtime.tokens import Client

SERVICE: Any = SimpleNamespace(audit=SimpleNamespace(receipt_of=lambda event: f"receipt of {event}"))


@pytest.mark.parametrize("shown", ['{"agreement" : "a", "limits" : null}', '{"agreement":"a","limits":null}\n'])
@pytest.mark.parametrize(("event", "receipt"), [("7", "receipt of 7"), (None, None)])
def test_a_decision_is_answered_with_the_agreement_and_its_receipt(shown: str, event: str | None, receipt: str | None) -> None:
    answer = _receipted(SERVICE, DecisionResult(shown, event))
    assert json.loads(answer.content) == {"agreement": "a", "limits": None, "receipt": receipt}


def test_a_refusal_is_logged_as_json(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        Service._note(Client("tax", "app"), purpose_missing())
    assert json.loads(caplog.messages[0]) == {"refused": "PurposeMissing", "client": "tax/app"}
