"""The chain: a log as it was written is accepted, and one fault per test is found at its line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from openkes.config.schema import Audit
from openkes.errors import OperatorError
from openkes.server.audit import AuditLog, Record, origin, subject
from openkes.server.audit.chain import digest
from openkes.server.audit.verify import verify


def made(number: int) -> bytes:
    path = f"/v1/key/generate/k{number}"
    return Record(
        (1_000 + number) * 10**9, "", origin("192.0.2.1:1234"), subject("PUT", path, "a" * 64), 200, 0.001
    ).line()


def write(file: Path, numbers: range) -> AuditLog:
    """A server's life, up to its end."""
    log = AuditLog(Audit("file", file, required=True, chain=True))
    for number in numbers:
        assert log.append(made(number))
    log.close()
    return log


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Ten lines of one writer, then five of another."""
    path = tmp_path / "audit.jsonl"
    write(path, range(10))
    write(path, range(10, 15))
    return path


def lines_of(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines(keepends=True)


def found(file: Path, lines: list[bytes]) -> list[str]:
    """The findings without the file's name."""
    file.write_bytes(b"".join(lines))
    return [finding.removeprefix(f"{file}:") for finding in verify([file]).findings]


def test_a_log_as_written_is_accepted(file: Path) -> None:
    report = verify([file])
    assert (report.findings, report.notes) == ([], [])
    assert (report.lines, report.writers, report.lost) == (15, 2, 0)
    assert (report.first, report.last) == ("1970-01-01T00:16:40Z", "1970-01-01T00:16:54Z")
    assert report.head == digest(lines_of(file)[-1].rstrip(b"\n"))


def test_the_form_of_the_chain(file: Path) -> None:
    lines = lines_of(file)
    chains = [json.loads(line)["chain"] for line in lines]
    assert [chain["seq"] for chain in chains] == [*range(1, 11), *range(1, 6)]
    assert chains[0] == {"writer": chains[0]["writer"], "seq": 1, "prev": "0" * 64}
    assert chains[1]["prev"] == digest(lines[0].rstrip(b"\n"))
    assert chains[10]["after"] == digest(lines[9].rstrip(b"\n"))


@pytest.mark.parametrize("number", range(14))
def test_an_edited_line(file: Path, number: int) -> None:
    lines = lines_of(file)
    lines[number] = lines[number].replace(b'"code":200', b'"code":403')
    findings = found(file, lines)
    assert len(findings) == 1
    # The last line of a writer is named by the next one's first line.
    expected = "11: follows a line that is not here" if number == 9 else f"{number + 1}: was changed"
    assert findings[0].startswith(expected)


def test_every_edited_byte_of_a_line_is_found(file: Path) -> None:
    whole = lines_of(file)
    line = whole[4]
    for i in range(len(line)):
        changed = line[:i] + bytes([line[i] ^ 1]) + line[i + 1 :]
        assert found(file, [*whole[:4], changed, *whole[5:]]), (i, changed)


@pytest.mark.parametrize("number", range(14))
def test_a_removed_line(file: Path, number: int) -> None:
    lines = lines_of(file)
    del lines[number]
    report_of = found(file, lines)
    if number == 0:
        # As after a rotation: what came before may be in an older file, and the report says so.
        assert report_of == []
        assert verify([file]).notes[0].startswith(f"{file}:1: begins with line 2 of writer")
        return
    assert len(report_of) == 1
    if number == 9:
        assert report_of[0].startswith("10: follows a line that is not here")
    elif number == 10:
        assert report_of[0].startswith("11: begins with line 2 of writer")
    else:
        assert f"1 line is missing between {file}:{number} and {file}:{number + 1}" in report_of[0]


def test_a_removed_piece(file: Path) -> None:
    lines = lines_of(file)
    assert f"4 lines are missing between {file}:3 and {file}:4" in found(file, lines[:3] + lines[7:])[0]


def test_a_line_that_stands_twice(file: Path) -> None:
    lines = lines_of(file)
    assert [f[:15] for f in found(file, [*lines[:6], lines[2], *lines[6:]])] == ["7: was inserted"]


@pytest.mark.parametrize(("a", "b"), [(3, 4), (2, 7), (11, 13)])
def test_reordered_lines(file: Path, a: int, b: int) -> None:
    lines = lines_of(file)
    lines[a], lines[b] = lines[b], lines[a]
    findings = found(file, lines)
    assert any("stands in the wrong place" in finding for finding in findings)
    assert not any("missing" in finding for finding in findings)


def test_lines_of_two_lives_that_changed_places(file: Path) -> None:
    lines = lines_of(file)
    lines[9], lines[10] = lines[10], lines[9]
    assert found(file, lines)[0].startswith("10: follows a line that is not here")


def test_a_line_without_chain_in_between(file: Path) -> None:
    lines = lines_of(file)
    assert found(file, [*lines[:5], made(99) + b"\n", *lines[5:]])[0].startswith("6: has no chain")


def test_a_new_chain_in_between(file: Path, tmp_path: Path) -> None:
    write(tmp_path / "other", range(1))
    lines = lines_of(file)
    findings = found(file, [*lines[:5], *lines_of(tmp_path / "other"), *lines[5:]])
    assert [f[:22] for f in findings] == ["6: begins a new chain "]


@pytest.mark.parametrize("text", [b"\n", b"x\n", b"{}\n", b'{"time":"\x1b[2J","request":{},"response":{}}\n'])
def test_what_is_no_line(file: Path, text: bytes) -> None:
    lines = lines_of(file)
    assert found(file, [*lines[:5], text, *lines[5:]]) == ["6: is torn, or no audit line"]


def test_a_torn_last_line(file: Path) -> None:
    lines = lines_of(file)
    lines[-1] = lines[-1][:40]
    assert found(file, lines) == ["15: is torn: it has no end"]


def test_a_server_goes_on_behind_a_torn_line(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-40])
    write(file, range(20, 25))
    assert verify([file]).findings == [f"{file}:15: is torn, or no audit line"]
    assert verify([file]).lines == 20


def test_a_cut_tail_is_found_by_its_head(file: Path) -> None:
    head = verify([file]).head
    lines = lines_of(file)
    file.write_bytes(b"".join(lines[:-1]))
    assert verify([file]).findings == []
    assert verify([file], head).findings == [
        f"no line has the head {head}: lines were cut off the end, or changed up to it"
    ]


def test_an_edited_last_line_is_found_by_its_head(file: Path) -> None:
    head = verify([file]).head
    lines = lines_of(file)
    file.write_bytes(b"".join([*lines[:-1], lines[-1].replace(b":200", b":403")]))
    assert verify([file]).findings == []
    assert len(verify([file], head).findings) == 1


def test_a_noted_head_is_found_further_up(file: Path) -> None:
    head = verify([file]).head
    write(file, range(20, 22))
    report = verify([file], head)
    assert (report.findings, report.noted_at) == ([], f"{file}:15")


@pytest.fixture
def rotated(tmp_path: Path) -> list[Path]:
    """Three files of one server, the oldest first."""
    file = tmp_path / "audit.jsonl"
    settings = Audit("file", file, required=True, chain=True)
    log = AuditLog(settings)
    for i in range(12):
        if i in (4, 8):
            file.rename(tmp_path / ("audit.jsonl.2" if i == 4 else "audit.jsonl.1"))
            log.reopen(settings)
        log.append(made(i))
    log.close()
    return [tmp_path / "audit.jsonl.2", tmp_path / "audit.jsonl.1", file]


def test_the_chain_goes_on_over_rotation(rotated: list[Path]) -> None:
    report = verify(rotated)
    assert (report.findings, report.notes, report.lines, report.writers) == ([], [], 12, 1)


def test_a_compressed_file(rotated: list[Path]) -> None:
    packed = rotated[0].with_name("oldest.gz")
    packed.write_bytes(gzip.compress(rotated[0].read_bytes()))
    assert verify([packed, *rotated[1:]]).findings == []


def test_a_missing_file_between(rotated: list[Path]) -> None:
    (finding,) = verify([rotated[0], rotated[2]]).findings
    assert finding.startswith(f"{rotated[2]}:1: 4 lines are missing between {rotated[0]}:4 and {rotated[2]}:1")
    assert "a file between was not named" in finding


def test_a_missing_file_with_a_whole_life_in_it(tmp_path: Path) -> None:
    file = tmp_path / "audit"
    write(file, range(3))
    first = file.rename(tmp_path / "first")
    file.write_bytes(first.read_bytes())
    write(file, range(3, 6))
    life = lines_of(file)[3:]
    write(file, range(6, 9))
    last = tmp_path / "last"
    last.write_bytes(b"".join(lines_of(file)[6:]))
    assert len(life) == 3
    assert verify([first, last]).findings[0].startswith(f"{last}:1: follows a line that is not here")


def test_an_older_file_that_is_not_named_is_a_note(rotated: list[Path]) -> None:
    report = verify(rotated[1:])
    assert report.findings == []
    assert report.notes[0].endswith("those before are not here; they are in an older file")


def test_lines_from_before_the_chain_are_a_note(tmp_path: Path) -> None:
    file = tmp_path / "audit"
    file.write_bytes(b"".join(made(i) + b"\n" for i in range(3)))
    write(file, range(3, 6))
    report = verify([file])
    assert report.findings == []
    assert report.notes == [f"{file}: the first 3 lines have no chain and are not verified"]
    lines = lines_of(file)
    assert found(file, [*lines[:2], *lines[3:]])[0].startswith("3: follows a line that is not here")


def test_a_log_without_chain_is_not_accepted(tmp_path: Path) -> None:
    file = tmp_path / "audit"
    file.write_bytes(made(1) + b"\n")
    assert "audit.chain off" in verify([file]).findings[0]


def test_two_processes_on_one_file(tmp_path: Path) -> None:
    file = tmp_path / "audit"
    settings = Audit("file", file, required=True, chain=True)
    logs = [AuditLog(settings), AuditLog(settings)]
    for i in range(20):
        logs[i % 3 % 2].append(made(i))
    for log in logs:
        log.close()
    report = verify([file])
    assert (report.findings, report.writers, report.lines) == ([], 2, 20)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="No such file"):
        verify([tmp_path / "none"])


def test_a_file_that_only_says_it_is_gzip(tmp_path: Path) -> None:
    file = tmp_path / "audit.gz"
    file.write_bytes(gzip.compress(b"x" * 1000)[:-9])
    with pytest.raises(OperatorError, match="no whole gzip file"):
        verify([file])


def test_an_emptied_log_is_noted(tmp_path: Path) -> None:
    file = tmp_path / "audit"
    file.touch()
    report = verify([file])
    assert report.findings == []
    assert report.notes == ["there are no lines: the log was just begun, or all of it was removed"]
    assert len(verify([file], "0" * 64).findings) == 1
