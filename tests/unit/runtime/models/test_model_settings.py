"""What the model runtime is told by its environment and by the Secret of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from commonweal_api.store_access import models_access, password_of, store_authority
from commonweal_runtime.models.settings import Settings

KEY = b"d" * 32
ENVIRONMENT = {
    "COMMONWEAL_DEPARTMENT": "tax",
    "COMMONWEAL_AUDIENCE": "https://commonweal.dev/departments/tax",
    "COMMONWEAL_CLIENT_ISSUER": "https://kubernetes.default.svc",
    "COMMONWEAL_STORE": "store.dept-tax-platform.svc:5432",
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name, text in models_access(KEY).items():
        (tmp_path / name).write_text(text)
    return Settings.from_environment({**ENVIRONMENT, "COMMONWEAL_KEYS_DIR": str(tmp_path)})


def test_its_secret_is_enough_to_log_in_and_to_know_the_store(settings: Settings) -> None:
    assert settings.password == password_of(KEY, "models")
    assert settings.store_certificate == store_authority(KEY).certificate
    assert (settings.store_host, settings.store_port, len(settings.requests)) == ("store.dept-tax-platform.svc", 5432, 32)


def test_nothing_secret_is_shown_with_the_settings(settings: Settings) -> None:
    assert settings.password not in repr(settings)
    assert repr(settings.requests) not in repr(settings)


def test_the_departments_keys_in_its_place_are_not_taken(tmp_path: Path) -> None:
    (tmp_path / "database").write_text(KEY.hex())
    with pytest.raises(FileNotFoundError, match=r"store\.crt"):
        Settings.from_environment({**ENVIRONMENT, "COMMONWEAL_KEYS_DIR": str(tmp_path)})
