"""The mail server that codes go through: what its settings may say, and what is shown of an address."""

from __future__ import annotations

import pytest

from commonweal_runtime.data_api.mail import Mail, hint_of, mail_of

FROM = {"COMMONWEAL_SMTP_FROM": "codes@tax.example"}


def test_without_a_server_there_is_none() -> None:
    assert mail_of({}, "tax") is None
    assert mail_of({"COMMONWEAL_SMTP": "", **FROM}, "tax") is None


def test_the_scheme_says_whether_it_is_secured_from_the_start() -> None:
    assert mail_of({"COMMONWEAL_SMTP": "smtp://mail.example:587", **FROM}, "tax") == Mail("mail.example", 587, "codes@tax.example", "tax")
    assert mail_of({"COMMONWEAL_SMTP": "smtps://mail.example:465", **FROM}, "tax") == Mail(
        "mail.example", 465, "codes@tax.example", "tax", secured=True
    )


@pytest.mark.parametrize(
    "server", ["mail.example", "http://mail.example:25", "smtp://mail.example", "smtp://a:b@mail.example:25", "smtp://x:0"]
)
def test_what_is_no_server_names_the_variable_and_the_form(server: str) -> None:
    with pytest.raises(ValueError, match=r"COMMONWEAL_SMTP: write smtp://HOST:PORT"):
        mail_of({"COMMONWEAL_SMTP": server, **FROM}, "tax")


@pytest.mark.parametrize("sender", ["", "codes", "a@b\nBcc: x@y.example"])
def test_what_is_no_sender_names_the_variable(sender: str) -> None:
    with pytest.raises(ValueError, match="COMMONWEAL_SMTP_FROM"):
        mail_of({"COMMONWEAL_SMTP": "smtp://mail.example:25", "COMMONWEAL_SMTP_FROM": sender}, "tax")


def test_an_address_is_known_again_by_its_owner_only() -> None:
    assert hint_of("ada@example.test") == "a•••@e•••"
