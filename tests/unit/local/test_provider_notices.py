"""The kernel tells of a file that was put into a directory."""

from __future__ import annotations

import select
from pathlib import Path

from commonweal_local.paths import write
from commonweal_local.provider.notices import Notices


def test_a_file_that_is_written_whole_is_heard_of_by_its_name(tmp_path: Path) -> None:
    heard: list[str] = []
    notices = Notices(heard.append)
    try:
        assert notices.watch(tmp_path)
        notices.take()
        assert heard == [], "nothing has come, and nobody waits"
        write(tmp_path / "state.json", {"marks": {}})
        write(tmp_path / "other.json", {})
        assert select.select([notices.descriptor], [], [], 10)[0]
        notices.take()
        assert heard == ["state.json", "other.json"]
    finally:
        notices.close()


def test_a_directory_that_is_watched_already_tells_once(tmp_path: Path) -> None:
    heard: list[str] = []
    notices = Notices(heard.append)
    try:
        assert notices.watch(tmp_path)
        assert notices.watch(tmp_path)
        write(tmp_path / "state.json", {})
        assert select.select([notices.descriptor], [], [], 10)[0]
        notices.take()
        assert heard == ["state.json"]
    finally:
        notices.close()


def test_a_directory_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    notices = Notices(print)
    try:
        assert not notices.watch(tmp_path / "nowhere")
    finally:
        notices.close()
