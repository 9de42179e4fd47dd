"""One department's stack from two files: made-up rows are served, a saved file takes effect, and an end leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from commonweal_cli.dev.layout import STATE
from commonweal_cli.dev.operating import SYNTHETIC
from support.dev import PRODUCT, Dev, inhabitants, place, run, small
from support.waiting import wait_for

AGREEMENT = """
apiVersion: commonweal.dev/v1alpha1
kind: ConsentPolicy
metadata: {name: desk-sees-loans, namespace: dept-library}
spec:
  product: {name: loans}
  consumer: {department: library, clients: [desk]}
  purposes: [{key: library/remind, iri: "dpv:ServiceProvision", text: The library reminds you of what is due.}]
  fields: [title, dueOn]
  basis: {type: PublicTask, legalPower: "Libraries Act, section 1"}
  subjects: {objection: Honoured}
  validity: {from: "2026-01-01T00:00:00Z", until: "2030-01-01T00:00:00Z"}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: desk, namespace: dept-library}
"""
VISIBLE_SECONDS = 2.0


@pytest.fixture(scope="module")
def server() -> Iterator[Dev]:
    folder = small(place("library"))
    (folder / "agreement.yaml").write_text(AGREEMENT)
    with Dev(folder) as dev:
        yield dev.ready()


def read(dev: Dev) -> Any:
    base = dev.stack.get("department", "library")["status"]["dataApi"]
    token = dev.stack.token("dept-library", "desk", "https://commonweal.dev/departments/library")
    asked = urllib.request.Request(
        f"{base}/v1/loans/subjects?limit=5", headers={"Authorization": f"Bearer {token}", "Purpose": "library/remind"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return json.load(answer)["items"]


def test_made_up_rows_are_served_under_an_agreement_that_was_signed_here(server: Dev) -> None:
    items = read(server)
    assert 0 < len(items) <= 5  # of a person with several records, each counts
    assert all(set(record) == {"record", "title", "dueOn"} for item in items for record in item["records"])


def test_the_product_says_that_its_rows_are_made_up(server: Dev) -> None:
    (ready,) = [c for c in server.stack.get("dataproduct", "loans", "dept-library")["status"]["conditions"] if c["type"] == "Ready"]
    assert ready["status"] == "True"
    assert SYNTHETIC in ready["message"]


def test_a_saved_file_takes_effect_and_is_told_of(server: Dev) -> None:
    title = "Loans of this year"
    (server.folder / "product.yaml").write_text(PRODUCT.replace("title: Loans", f"title: {title}"))
    saved = time.monotonic()
    server.until("the change", lambda: server.stack.get("dataproduct", "loans", "dept-library")["spec"]["title"] == title)
    assert time.monotonic() - saved < VISIBLE_SECONDS * 5  # the bound of 2 s is measured by bench/dev.py; a loaded machine is no fault
    server.ready()


def test_a_changed_agreement_is_signed_again(server: Dev) -> None:
    file = server.folder / "agreement.yaml"
    before = server.stack.get("consentpolicy", "desk-sees-loans", "dept-library")["status"].get("hash")
    file.write_text(AGREEMENT.replace("[title, dueOn]", "[title]"))
    server.until(
        "the agreement to be another",
        lambda: server.stack.get("consentpolicy", "desk-sees-loans", "dept-library")["status"].get("hash") not in (None, before),
    )
    server.ready()
    server.until("the narrower read", lambda: set(read(server)[0]["records"][0]) == {"record", "title"})


def test_a_saved_file_that_is_refused_changes_nothing_and_says_why(server: Dev) -> None:
    (server.folder / "product.yaml").write_text(PRODUCT.replace("column: reader", "column: somebody"))
    server.until("the refusal", lambda: "spec.subject.column: changing it would give every person another id" in server.said)
    assert server.stack.get("dataproduct", "loans", "dept-library")["spec"]["subject"]["column"] == "reader"
    (server.folder / "product.yaml").write_text(PRODUCT)


def test_a_second_stack_of_the_folder_is_refused(server: Dev) -> None:
    second = run(server.folder)
    assert second.returncode == 1
    assert "runs already" in second.stderr
    assert server.stack.ask("told")


def test_a_port_that_is_taken_is_named(server: Dev) -> None:
    other = small(place("other"))
    refused = run(other, "--port", str(server.port))
    assert refused.returncode == 1
    assert f"Port {server.port} on 127.0.0.1 is taken" in refused.stderr
    assert "--port" in refused.stderr


def test_a_deleted_file_takes_its_objects_along(server: Dev) -> None:
    (server.folder / "agreement.yaml").unlink()
    server.until("the agreement to go", lambda: not server.stack.items("consentpolicies"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_end_leaves_no_process_and_no_file_outside_the_folder(server: Dev, number: signal.Signals) -> None:
    folder = small(place(f"ended-{number.name.lower()}"))
    with Dev(folder) as dev:
        dev.ready()
        outside = (folder / STATE / "run").resolve()
        assert inhabitants(folder)
        dev.end(number)
        wait_for("every process to end", lambda: not inhabitants(folder) or None)
        wait_for("the sockets to go", lambda: not outside.exists() or None)
    assert (folder / STATE).exists() == (number == signal.SIGKILL)


def test_what_a_killed_run_left_is_removed_and_said_without_keep_and_gone_on_with_with_it() -> None:
    folder = small(place("kept"))
    with Dev(folder, "--keep") as dev:
        uid = dev.ready().stack.get("department", "library")["metadata"]["uid"]
        dev.end(signal.SIGKILL)
    wait_for("every process to end", lambda: not inhabitants(folder) or None)
    with Dev(folder, "--keep") as dev:
        assert dev.ready().stack.get("department", "library")["metadata"]["uid"] == uid
        dev.end(signal.SIGKILL)
    wait_for("every process to end", lambda: not inhabitants(folder) or None)
    (folder / STATE / "objects.json").unlink()
    with Dev(folder, "--keep") as dev:
        assert "left half" in dev.ready().said
        assert dev.stack.get("department", "library")["metadata"]["uid"] != uid


def test_the_files_of_a_kept_stack_are_its_owners_alone() -> None:
    folder = small(place("closed"))
    with Dev(folder, "--keep") as dev:
        dev.ready()
        keys = [
            path
            for path in (folder / STATE).rglob("*")
            if path.is_file()
            and path.stat().st_uid == os.getuid()
            and path.name in ("objects.json", "database", "sector", "issuer.pem", "master")
        ]
        assert len(keys) >= 5
        assert [path for path in keys if path.stat().st_mode & 0o077] == []


def test_the_read_that_is_printed_works() -> None:
    """Word for word, with this checkout's command."""
    folder = small(place("printed"))
    (folder / "agreement.yaml").write_text(AGREEMENT)
    with Dev(folder) as dev:
        dev.ready()
        (line,) = [line.strip() for line in dev.said.splitlines() if line.strip().startswith("curl ")]
        here = line.replace("commonweal dev", f"{sys.executable} -P -m commonweal_cli dev")
        done = subprocess.run(["sh", "-c", here], capture_output=True, text=True, check=True)
        assert len(json.loads(done.stdout)["items"]) in (1, 2)
