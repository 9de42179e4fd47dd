"""A source's login, as the values of a Secret give it."""

from __future__ import annotations

import pytest

from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources import Credentials


def test_a_login_never_shows_its_password() -> None:
    login = Credentials.of("login", {"username": "u", "password": "p", "more": "x"})
    assert (login.username, login.password) == ("u", "p")
    assert repr(login) == "Credentials(username='u')"


@pytest.mark.parametrize(
    ("secret", "named"),
    [
        (None, "There is no Secret «login»"),
        ({"username": "u"}, "«login» lacks password."),
        ({"username": "", "password": "p"}, "«login» lacks username."),
        ({}, "lacks username and password."),
    ],
)
def test_what_is_missing_is_named(secret: dict[str, str] | None, named: str) -> None:
    with pytest.raises(SourceReadError, match=named) as refused:
        Credentials.of("login", secret)
    assert refused.value.reason == Reason.CREDENTIALS_MISSING
