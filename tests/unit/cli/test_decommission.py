"""What an erasure certificate may say, who can check it, and what is looked for before it is written."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from commonweal_cli.main import main as commonweal
from commonweal_cli.site.decommission import certificate, traces, verify
from commonweal_cli.site.decommission.facts import Holdings, digest, subjects
from commonweal_cli.site.decommission.journal import Journal, place
from commonweal_cli.site.decommission.traces import GONE, LEFT, NOT_CHECKED, Check
from commonweal_cli.site.stack import root
from commonweal_local import paths
from commonweal_local.exceptions import LocalError
from commonweal_local.sites.site import CGROUP
from commonweal_stacks.conformity.site_key import public_jwk
from commonweal_stacks.conformity.statement import ERASURE, sign

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
SEED, OTHER = "ab" * 32, "cd" * 32
HELD = Holdings("u-1", {"tax": digest({"a": 1})}, {"pvc-1": digest({"b": 2})}, {"departments": 1, "volumes": 1})
JOURNAL = Journal("onprem", "local", AT.isoformat(), SEED, HELD, asked=True)
CLEAN = [Check("processes", GONE), Check("Cluster on the management cluster", NOT_CHECKED, "there is none")]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return paths.write(tmp_path / "key.json", public_jwk(SEED))


def written(tmp_path: Path, journal: Journal = JOURNAL) -> Path:
    return paths.write(tmp_path / "certificate.json", certificate.certify(journal, CLEAN, AT))


def test_the_certificate_names_what_was_erased_and_what_was_looked_for(tmp_path: Path, key: Path) -> None:
    statement = verify.read(written(tmp_path), key)
    assert {subject["name"] for subject in statement["subject"]} == {"site/onprem", "department/tax", "volume/pvc-1"}
    said = statement["predicate"]
    assert said["counts"] == {"departments": 1, "volumes": 1}
    assert said["checks"][1] == {"check": "Cluster on the management cluster", "result": "not checked", "detail": "there is none"}
    assert any("blocks were not overwritten" in limit for limit in said["limits"])
    shown = "\n".join(verify.lines(statement))
    for part in ("erased: site at site onprem", "department/tax", "checked: processes: gone", "not checked (there is none)", "limit: "):
        assert part in shown


def test_nothing_is_certified_while_something_is_left() -> None:
    with pytest.raises(ValueError, match=r"checks: mounts left; erase them first"):
        certificate.certify(JOURNAL, [*CLEAN, Check("mounts", LEFT, "/somewhere")], AT)


def test_of_a_site_that_did_not_answer_the_certificate_says_so(tmp_path: Path, key: Path) -> None:
    said = verify.read(written(tmp_path, replace(JOURNAL, held=Holdings(), asked=False)), key)["predicate"]
    assert {"check": "what the site held", "result": "not checked", "detail": "the site did not answer"} in said["checks"]
    assert certificate.UNREACHABLE in said["limits"]
    assert said["departments"] == []


@pytest.mark.parametrize("kind", ["local", "adopted", "aws"])
def test_each_kind_of_site_has_limits_of_its_own(kind: str) -> None:
    found = certificate.limits(replace(JOURNAL, kind=kind))
    assert len(set(found)) == len(found) == 3
    assert {"local": "Files", "adopted": "belongs to others", "aws": "provider"}[kind] in found[0]


def test_a_certificate_of_another_key_or_one_that_was_changed_is_not_believed(tmp_path: Path, key: Path) -> None:
    with pytest.raises(LocalError, match="must not be believed"):
        verify.read(written(tmp_path, replace(JOURNAL, seed=OTHER)), key)
    envelope = certificate.certify(JOURNAL, CLEAN, AT)
    changed = paths.write(tmp_path / "changed.json", {**envelope, "payload": envelope["payload"][:-8] + "AAAAAAA="})
    with pytest.raises(LocalError, match="must not be believed"):
        verify.read(changed, key)
    with pytest.raises(LocalError, match="cannot be read"):
        verify.read(tmp_path / "nowhere.json", key)


@pytest.mark.parametrize(("result", "status"), [("gone", 0), ("not checked", 0), ("left", 1)])
def test_a_check_that_found_something_fails_the_verification(
    tmp_path: Path, key: Path, result: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    predicate = {
        "what": "data",
        "site": "a",
        "department": "tax",
        "finished": "now",
        "checks": ["read back", {"check": "rows", "result": result}],
    }
    envelope = sign(ERASURE, {"department/tax": "0" * 64}, predicate, seed=bytes.fromhex(SEED), at=AT)
    file = paths.write(tmp_path / "moved.json", envelope)
    assert commonweal(["erasure", "verify", str(file), "--key", str(key)]) == status
    said = capsys.readouterr().out
    assert "erased: data of department tax at site a" in said
    assert "checked: read back" in said


def test_the_journal_is_its_owners_and_is_gone_with_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path))
    assert Journal.found("onprem") is None
    JOURNAL.save()
    further = JOURNAL.after("one").after("two")
    assert Journal.found("onprem") == further
    assert further.done == ("one", "two")
    assert (place("onprem") / "journal.json").stat().st_mode & 0o777 == 0o600
    further.remove()
    assert SEED not in "".join(file.read_text() for file in tmp_path.rglob("*") if file.is_file())


def test_what_is_left_of_a_site_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path))
    monkeypatch.delenv("COMMONWEAL_MANAGEMENT_KUBECONFIG", raising=False)

    def found() -> dict[str, str]:
        return {check.check: check.result for check in traces.look("vanished", project="site", local=True)}

    before = found()
    assert set(before.values()) == {GONE, NOT_CHECKED}
    assert [check for check, result in before.items() if result == NOT_CHECKED] == [
        f"{what} on the management cluster" for what in ("Cluster", "ClusterProfile", "kubeconfig Secret")
    ]
    (paths.sites() / "vanished" / "pki").mkdir(parents=True)
    (root() / "state" / ".pulumi" / "backups" / "site" / "vanished").mkdir(parents=True)
    paths.write(root() / "state" / ".pulumi" / "stacks" / "site" / "vanished2.json", "another site's")
    paths.write(root() / "site-key-vanished", SEED)
    held = paths.sites() / "vanished" / "etc"
    waits = "import sys; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", waits, str(held)], stdin=subprocess.PIPE) as process:
        now = {check.check: check for check in traces.look("vanished", project="site", local=True)}
        process.communicate(b"")
    assert {name for name, check in now.items() if check.result == LEFT} == {
        "processes",
        "files of the site",
        "files and secrets of the stack",
        "state of the stack",
    }
    assert now["processes"].detail == f"process {process.pid}"
    assert "vanished2" not in json.dumps(now["state of the stack"].detail)


@pytest.mark.parametrize(("foreign", "result"), [(False, LEFT), (True, GONE)])
def test_a_control_group_is_another_homes_while_that_one_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, foreign: bool, result: str
) -> None:
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path / "home"))
    (tmp_path / "cgroup" / CGROUP / "vanished").mkdir(parents=True)
    monkeypatch.setattr(traces.cgroups, "hierarchies", lambda: [tmp_path / "cgroup"])
    monkeypatch.setattr(traces.bridge, "is_foreign", lambda _: foreign)
    monkeypatch.setattr(traces.machine, "program", lambda _: "/bin/ip")
    monkeypatch.setattr(traces.bridge, "is_connected", lambda _: False)
    found = {check.check: check.result for check in traces.look("vanished", project="site", local=True)}
    assert found["control groups"] == result
    elsewhere = traces.look("vanished", project="site", local=False)
    assert not {"processes", "mounts", "links", "control groups"} & {check.check for check in elsewhere}


def test_subjects_change_with_what_the_site_held() -> None:
    before = subjects("onprem", HELD)
    after = subjects("onprem", replace(HELD, counts={"departments": 1, "volumes": 2}))
    assert before["department/tax"] == after["department/tax"]
    assert before["site/onprem"] != after["site/onprem"]


def test_what_pulumi_was_writing_when_it_was_killed_is_the_stacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path))
    stacks = root() / "state" / ".pulumi" / "stacks" / "commonweal-site"
    stacks.mkdir(parents=True)
    own = {stacks / name for name in ("life", "life.json", "life.json.bak", "life.json.attrs", "life.json.bak.18ec724d113cfb11.tmp")}
    for file in (*own, stacks / "life-too.json", stacks / "afterlife.json"):
        file.touch()
    assert set(traces.state_files("life", "commonweal-site")) == own
