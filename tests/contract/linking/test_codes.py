"""A code out of band: sent to the address that the record has, read here from a real mailbox, and needed to confirm."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from support.data_api import Issuer, free_port
from support.department import Department, running
from support.postgres import HeritageServer, StoreServer
from support.rolls import Citizen, rolled, told

CODED = {"code": {"field": "email", "minutes": 10}}


class Mailbox:
    """A mail server on loopback and all that it was given; while `shut`, it takes nothing."""

    def __init__(self) -> None:
        self.messages: list[tuple[list[str], Message]] = []
        self.shut = False

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - named by aiosmtpd
        if self.shut:
            return "451 try again later"
        self.messages.append((envelope.rcpt_tos, message_from_bytes(envelope.content or b"")))
        return "250 OK"

    def code_for(self, address: str) -> str:
        body = next(m for to, m in reversed(self.messages) if to == [address]).get_payload(decode=True)
        found = re.search(rb"\b[0-9]{6}\b", body if isinstance(body, bytes) else b"")
        assert found is not None
        return found[0].decode()


@pytest.fixture(scope="module")
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    """A mailbox and its port."""
    box, port = Mailbox(), free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


@pytest.fixture(scope="module")
def coded(roll: HeritageServer, issuer: Issuer, mailbox: tuple[Mailbox, int]) -> Iterator[Department]:
    """A department that sends codes."""
    env = {"COMMONWEAL_SMTP": f"smtp://127.0.0.1:{mailbox[1]}", "COMMONWEAL_SMTP_FROM": "codes@commonweal.example"}
    with StoreServer() as store, running(store, roll, issuer, rolled(roll, **CODED), **env) as department:
        yield department


def test_a_code_arrives_and_confirms(coded: Department, mailbox: tuple[Mailbox, int]) -> None:
    citizen = Citizen(coded)
    assert citizen.standing()["code"] == {"channel": "email"}
    found = citizen.tells(told(1))
    assert found["code"] == {"channel": "email", "hint": "p•••@e•••"}
    assert not {"address", "asksCode"} & set(found), "the address leaves the department for the mail server alone"
    to, message = mailbox[0].messages[-1]
    assert to == ["p1@example.test"]
    assert message["From"] == "codes@commonweal.example"
    code = mailbox[0].code_for("p1@example.test")
    assert code not in message["Subject"], "a notice on a locked screen shows none"
    missing = citizen.confirms(found["ticket"])
    assert (missing.status_code, missing.json()["reason"]) == (403, "CodeWrong")
    assert citizen.confirms(found["ticket"], code=code).status_code == 200


def test_five_wrong_codes_void_the_ticket(coded: Department, mailbox: tuple[Mailbox, int]) -> None:
    citizen = Citizen(coded)
    ticket = citizen.tells(told(2))["ticket"]
    code = mailbox[0].code_for("p2@example.test")
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for left in (4, 3, 2, 1, 0):
        answer = citizen.confirms(ticket, code=wrong)
        assert (answer.status_code, answer.json()["reason"]) == (403, "CodeWrong")
        assert f"tries left with it: {left}" in answer.json()["remedy"]
    assert citizen.confirms(ticket, code=code).json()["reason"] == "TicketVoid"


def test_a_code_of_another_attempt_or_session_confirms_nothing(coded: Department, mailbox: tuple[Mailbox, int]) -> None:
    citizen = Citizen(coded)
    citizen.tells(told(3))
    first = mailbox[0].code_for("p3@example.test")
    ticket = citizen.tells(told(3))["ticket"]
    second = mailbox[0].code_for("p3@example.test")
    if first != second:
        assert citizen.confirms(ticket, code=first).json()["reason"] == "CodeWrong"
    assert citizen.again(sid=uuid.uuid4().hex).confirms(ticket, code=second).json()["reason"] == "TicketVoid"
    assert citizen.confirms(ticket, code=second).status_code == 200


def test_a_record_without_an_address_is_a_case_like_any_other(coded: Department) -> None:
    found = Citizen(coded).tells({"surname": "Silent", "born": "1973-02-03", "number": "5000000001"})
    assert found["state"] == "Referred"


def test_a_mail_server_that_takes_nothing_is_told_with_what_to_do(coded: Department, mailbox: tuple[Mailbox, int]) -> None:
    mailbox[0].shut = True
    try:
        refused = Citizen(coded).asks("POST", json={"values": told(4)})
    finally:
        mailbox[0].shut = False
    assert (refused.status_code, refused.json()["reason"]) == (503, "CodeNotSent")
    assert "example.test" not in coded.api.log, "no address is logged"


def test_without_a_mail_server_linking_is_not_offered(roll: HeritageServer, issuer: Issuer) -> None:
    with StoreServer() as store, running(store, roll, issuer, rolled(roll, **CODED)) as department:
        assert Citizen(department).standing()["state"] == "NotOffered"
        assert Citizen(department).asks("POST", json={"values": told(1)}).json()["reason"] == "LinkNotOffered"
