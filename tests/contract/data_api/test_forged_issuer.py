"""Somebody took the address of the people's issuer and answers there with keys of their own (attack a): nobody of them is believed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from commonweal_api.plan import audience_of
from commonweal_api.signatures import issuer_jwks, issuer_seed
from commonweal_runtime.identity.keys import SigningKey
from support.data_api import DEPARTMENT, DataApi, Issuer, subject
from support.department import Department
from support.loopback import Loopback, client
from support.postgres import StoreServer

MASTER = b"m" * 32


def signed(key: SigningKey, issuer: str, who: UUID, kid: str | None = None) -> dict[str, str]:
    claims = {"iss": issuer, "aud": audience_of(DEPARTMENT), "sub": str(who), "exp": int(time.time()) + 600}
    token = key.sign(claims, "JWT")
    if kid is not None:
        token = jwt.encode(claims, key._private, algorithm="EdDSA", headers={"kid": kid})
    return {"Authorization": f"Bearer {token}"}


def test_whoever_answers_at_the_issuers_address_is_neither_asked_nor_believed(
    department: Department, store: StoreServer, issuer: Issuer
) -> None:
    own, forged, asked = SigningKey.of(issuer_seed(MASTER)), SigningKey(Ed25519PrivateKey.generate()), []

    def answer(path: str, _: object) -> tuple[int, bytes]:
        asked.append(path)
        return 200, json.dumps(forged.jwks()).encode()

    with Loopback(answer) as impostor:
        env = {"ISSUER": impostor.url, "JWKS": "", "KEYS": json.dumps(issuer_jwks(MASTER))}
        with DataApi(store, issuer, **{f"COMMONWEAL_PERSON_{k}": v for k, v in env.items()}) as api, client(api.url) as http:
            me = subject("P160")
            assert http.get("/me/uses", headers=signed(own, impostor.url, me)).status_code == 200
            for kid in (None, own.id):
                refused = http.get("/me/uses", headers=signed(forged, impostor.url, me, kid))
                assert (refused.status_code, refused.json()["reason"]) == (401, "TokenInvalid")
    assert asked == []
    assert department.http.get("/healthz").status_code == 200


@pytest.mark.parametrize("where", ["ISSUER", "JWKS"])
def test_an_issuer_over_plain_http_ends_the_process_with_what_to_do(store: StoreServer, issuer: Issuer, where: str) -> None:
    api = DataApi(store, issuer)
    env = {**api._env, "COMMONWEAL_PERSON_JWKS": "", f"COMMONWEAL_PERSON_{where}": f"http://identity-{uuid4().hex}.svc"}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from commonweal_runtime.data_api.service import Service; from commonweal_runtime.data_api.settings import Settings; Service(Settings.from_environment())",
        ],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode
    assert "an issuer's keys are fetched over https only" in done.stderr
