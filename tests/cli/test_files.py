"""New files: whole or not at all, private from the first moment, one winner."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from openkes.cli.files import PRIVATE, PUBLIC, write_new
from openkes.errors import OperatorError


def no_hard_links(self: Path, target: Path) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.fixture(params=["links", "no links"], autouse=True)
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test on a file system with hard links, and on one without."""
    if request.param == "no links":
        monkeypatch.setattr(Path, "hardlink_to", no_hard_links)


@pytest.fixture(params=[0o000, 0o077])
def umask(request: pytest.FixtureRequest) -> object:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("replace", [True, False])
def test_content_and_mode_whatever_the_umask(tmp_path: Path, replace: bool) -> None:
    files = [(tmp_path / "a", b"secret", PRIVATE), (tmp_path / "b", b"public", PUBLIC)]
    write_new(files, replace=replace)
    assert [(f.read_bytes(), f.stat().st_mode & 0o777) for f, _, _ in files] == [
        (b"secret", 0o600),
        (b"public", 0o644),
    ]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("taken", ["file", "folder", "dangling link"])
def test_a_taken_name_stays_and_nothing_else_is_written(tmp_path: Path, taken: str) -> None:
    name = tmp_path / "b"
    if taken == "file":
        name.write_bytes(b"old")
    elif taken == "folder":
        name.mkdir()
    else:
        name.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OperatorError, match="b exists already"):
        write_new([(tmp_path / "a", b"1", PRIVATE), (name, b"2", PUBLIC)], replace=False)
    assert list(tmp_path.iterdir()) == [name]


def test_replacing_leaves_one_of_two_whole_contents(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"old")
    file.chmod(0o644)
    write_new([(file, b"new", PRIVATE)], replace=True)
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", 0o600)


def test_of_many_writers_one_wins_and_the_others_are_told(tmp_path: Path) -> None:
    results: list[bytes | None] = []
    start = threading.Barrier(8)

    def write(content: bytes) -> None:
        start.wait()
        try:
            write_new([(tmp_path / "a", content, PRIVATE)], replace=False)
        except OperatorError:
            results.append(None)
        else:
            results.append(content)

    threads = [threading.Thread(target=write, args=(bytes([65 + n]) * 1000,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [content for content in results if content is not None]
    assert winners == [(tmp_path / "a").read_bytes()]
    assert len(results) == 8
