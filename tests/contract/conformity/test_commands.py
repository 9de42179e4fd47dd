"""`commonweal conform` on a real API server: compared, signed, verified, expected; every answer with its exit code and its words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from commonweal_cli.conform import DIFFERENT, EQUAL
from commonweal_cli.conventions import UNANSWERED, USAGE
from commonweal_cli.main import main as commonweal
from commonweal_stacks.api import Api
from commonweal_stacks.conformity import site_key
from commonweal_stacks.conformity.record import PATH, published
from contract.conformity.conftest import SEED
from contract.operator.stage import IMAGES
from support.control_plane import REPOSITORY, ControlPlane
from support.kube_api import MERGE

QUOTA = "/api/v1/namespaces/commonweal-system/resourcequotas/commonweal-platform"


@pytest.fixture
def stacks(plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two stack files of the one cluster: what differs between them is allowed to."""
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path))
    (tmp_path / "images.json").write_text(json.dumps(IMAGES))
    for name in ("onprem", "cloud"):
        config = yaml.safe_load((REPOSITORY / "stacks" / "site" / f"Pulumi.{name}.yaml").read_text())
        config["config"]["commonweal:site"] |= {"kind": "adopted", "kubeconfig": str(plane.kubeconfig()), "expose": "ClusterIP"}
        (tmp_path / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump(config))
    return ["--stacks", str(tmp_path)]


def quota(plane: ControlPlane, pods: str) -> None:
    plane.api().request("PATCH", QUOTA, {"spec": {"hard": {"pods": pods}}}, content_type=MERGE)


def test_a_site_signs_and_is_held_to_what_it_signed(
    plane: ControlPlane, stacks: list[str], tmp_path: Path, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    file, key = tmp_path / "onprem.json", tmp_path / "key.jwk"
    key.write_text(site_key.public_jwk(SEED))
    assert commonweal(["conform", "sign", "onprem", "--out", str(file), "--no-probes", *stacks]) == EQUAL
    assert published(api)[0] == json.loads(file.read_text())
    capsys.readouterr()
    assert commonweal(["conform", "verify", str(file), "--key", str(key)]) == EQUAL
    said = capsys.readouterr().out
    root = said.split()[1]
    assert "signed, and unchanged, with its leaves" in said

    # What the site now keeps of itself is no part of what it is.
    assert commonweal(["conform", "onprem", "--expect", root, "--no-probes", *stacks]) == EQUAL
    assert commonweal(["conform", "cloud", "--expect-file", str(file), "--key", str(key), "--no-probes", *stacks]) == EQUAL
    assert commonweal(["conform", "verify", str(file), "--key", str(key), "--expect", "ab" * 32]) == DIFFERENT

    quota(plane, "21")
    try:
        capsys.readouterr()
        assert commonweal(["conform", "cloud", "--expect-file", str(file), "--key", str(key), "--no-probes", *stacks]) == DIFFERENT
        assert 'layer: ResourceQuota/commonweal-system/commonweal-platform:spec.hard.pods: "21" | "20"' in capsys.readouterr().out
        file.with_name(file.name + ".leaves.gz").unlink()
        assert commonweal(["conform", "cloud", "--expect-file", str(file), "--key", str(key), "--no-probes", *stacks]) == DIFFERENT
        assert "different in the layers layer" in capsys.readouterr().out
    finally:
        quota(plane, "20")


def test_what_is_not_to_be_believed_is_said_before_any_site_is_asked(
    stacks: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, key, other = tmp_path / "onprem.json", tmp_path / "key.jwk", tmp_path / "other.jwk"
    key.write_text(site_key.public_jwk(SEED))
    other.write_text(site_key.public_jwk("ab" * 32))
    assert commonweal(["conform", "sign", "onprem", "--out", str(file), "--no-probes", *stacks]) == EQUAL
    assert commonweal(["conform", "nowhere", "--expect-file", str(file), "--key", str(other), *stacks]) == DIFFERENT
    assert "not to be believed: signatures[0].keyid" in capsys.readouterr().err

    leaves = file.with_name(file.name + ".leaves.gz")
    leaves.write_bytes(leaves.read_bytes()[:-9])
    assert commonweal(["conform", "verify", str(file), "--key", str(key)]) == DIFFERENT
    assert "the leaves: are not those of the root" in capsys.readouterr().err

    assert commonweal(["conform", "verify", str(tmp_path / "none"), "--key", str(key)]) == UNANSWERED
    assert commonweal(["conform", "verify", str(file), "--key", str(tmp_path / "none")]) == UNANSWERED
    assert commonweal(["conform", "nowhere", "cloud", *stacks]) == UNANSWERED


def test_two_sites_are_compared_and_drawn_with_what_could_not_be_tried(
    stacks: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commonweal(["conform", "onprem", "cloud", "--html", str(tmp_path / "trees.html"), *stacks]) == EQUAL
    said = capsys.readouterr()
    assert "cloud breaks a promise: secrets-at-rest: broken: in clear" in said.out
    assert "not probed: no node runs pods" in said.out
    assert "another run probes the site" in said.err  # both names are one cluster here, and one waits for the other
    drawn = (tmp_path / "trees.html").read_text()
    assert "onprem and cloud are alike" in drawn
    assert "broken: in clear" in drawn


def test_the_statement_on_the_site_says_how_to_sign_one_when_there_is_none(plane: ControlPlane, api: Api) -> None:
    if api.ask("GET", PATH).ok:
        plane.api().request("DELETE", PATH)
    with pytest.raises(Exception, match="commonweal conform sign onprem"):
        published(api)


@pytest.mark.parametrize(
    "words",
    [
        ["onprem"],
        ["a", "b", "c"],
        ["onprem", "--expect", "xyz"],
        ["onprem", "--expect-file", "f"],
        ["a", "--expect", "ab" * 32, "--html", "f"],
    ],
)
def test_words_that_make_no_sense_are_refused(words: list[str]) -> None:
    assert commonweal(["conform", *words]) == USAGE
