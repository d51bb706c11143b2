"""Editing MinIO's environment file: ours changes, everything else stays byte for byte."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plugins import conftest  # noqa: F401 - makes the collection importable

from ansible_collections.openkes.kes.plugins.module_utils import environment as env  # isort: skip

WANTED: dict[str, str | None] = {
    "MINIO_KMS_KES_ENDPOINT": "https://kes-1:7373,https://kes-2:7373",
    "MINIO_KMS_KES_KEY_NAME": "my-master-key",
}
ADDED = "MINIO_KMS_KES_ENDPOINT=https://kes-1:7373,https://kes-2:7373\nMINIO_KMS_KES_KEY_NAME=my-master-key\n"

_word = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\"'\\ \t"), max_size=12)
_value = st.one_of(_word, _word.map('"{}"'.format), _word.map("'{}'".format), _word.map("{} \\\n more".format))
_foreign = st.one_of(
    st.just(""),
    _word.map("# {}".format),
    st.just("# MINIO_KMS_KES_KEY_NAME=commented"),
    st.builds("{}={}".format, st.sampled_from(["MINIO_ROOT_PASSWORD", "A", "MINIO_OPTS"]), _value),
    st.builds("export {}={}".format, st.sampled_from(["B", "MINIO_VOLUMES"]), _value),
)
_mine = st.builds("{}={}".format, st.sampled_from(sorted(WANTED)), _value)


@st.composite
def files(draw: st.DrawFn) -> str:
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    lines = draw(st.lists(st.one_of(_foreign, _mine), max_size=8))
    text = newline.join(line.replace("\n", newline) for line in lines)
    return text + newline if draw(st.booleans()) and text else text


@given(files())
def test_entries_join_to_the_same_text(text: str) -> None:
    assert "".join(entry.raw for entry in env.parse(text)) == text


@given(files())
def test_after_an_edit_ours_is_as_wanted_and_the_rest_as_it_was(text: str) -> None:
    edited = env.edit(text, WANTED)
    assert {name: env.values(edited)[name] for name in WANTED} == WANTED

    def others(of: str) -> list[str]:
        return [entry.raw.rstrip("\r\n") for entry in env.parse(of) if entry.name not in WANTED]

    assert others(edited) == others(text)


@given(files())
def test_an_edit_is_done_once(text: str) -> None:
    edited = env.edit(text, WANTED)
    assert env.edit(edited, WANTED) == edited


@given(files())
def test_removing_what_was_added_gives_the_text_back(text: str) -> None:
    removed = env.edit(text, dict.fromkeys(WANTED))
    assert env.edit(env.edit(removed, WANTED), dict.fromkeys(WANTED)).rstrip("\r\n") == removed.rstrip("\r\n")


@given(_word)
def test_a_quoted_value_is_read_back(value: str) -> None:
    assert env.values("X=" + env.quote(value) + "\n")["X"] == value


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ADDED),
        ("A=1\n", "A=1\n" + ADDED),
        ("A=1", "A=1\n" + ADDED.rstrip("\n")),
        ("A=1\r\n", "A=1\r\n" + ADDED.replace("\n", "\r\n")),
        (ADDED, ADDED),
        ("MINIO_KMS_KES_KEY_NAME='my-master-key'  \n" + ADDED.splitlines()[0] + "\n",) * 2,
        (
            "MINIO_KMS_KES_KEY_NAME=old # no comment\nA=1\n",
            "MINIO_KMS_KES_KEY_NAME=my-master-key\nA=1\n" + ADDED.splitlines()[0] + "\n",
        ),
        (
            "MINIO_KMS_KES_KEY_NAME=a\nMINIO_KMS_KES_KEY_NAME=b\n",
            "MINIO_KMS_KES_KEY_NAME=my-master-key\n" + ADDED.splitlines()[0] + "\n",
        ),
        ("export A=1\n", "export A=1\n" + ADDED.replace("MINIO", "export MINIO")),
        ("B='x\nMINIO_KMS_KES_KEY_NAME=inside\n'\n", "B='x\nMINIO_KMS_KES_KEY_NAME=inside\n'\n" + ADDED),
    ],
    ids=[
        "empty", "appended", "no newline at the end", "crlf", "nothing to do", "other spelling of the same",
        "in its place", "twice", "exported", "text inside a quoted value",
    ],
)  # fmt: skip
def test_examples(before: str, after: str) -> None:
    assert env.edit(before, WANTED) == after


def test_an_open_quote_is_refused_with_its_line() -> None:
    with pytest.raises(env.BrokenFile, match="line 2 opens a quote"):
        env.parse("A=1\nB='never closed\nC=2\n")


@pytest.mark.parametrize("name", env.EXCLUDED)
@pytest.mark.parametrize("line", ["{}=x", "{}=", "export {}=x", "  {}=x"])
def test_what_minio_does_not_accept_is_found(name: str, line: str) -> None:
    assert env.conflicts(env.values(line.format(name) + "\n")) == [name]


def test_a_comment_is_no_conflict() -> None:
    assert env.conflicts(env.values("# MINIO_KMS_SECRET_KEY=x\n;MINIO_KMS_SERVER=y\n")) == []


@pytest.mark.skipif(shutil.which("systemd-run") is None, reason="systemd's own reading needs systemd-run")
def test_systemd_reads_values_as_we_do(tmp_path: pytest.TempPathFactory) -> None:
    text = 'A=plain # not a comment\nB="a b"c\nC=\'d"e\' \nD=x\\\ny\nE="p\\$q"\n# F=1\nG=tail   \n'
    file = tmp_path / "env"  # type: ignore[operator]
    file.write_text(text)
    done = subprocess.run(
        ["systemd-run", "--quiet", "--wait", "--pipe", f"--property=EnvironmentFile={file}", "env"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip("no running systemd here")
    seen = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert {name: seen.get(name) for name in "ABCDEG"} == {name: env.values(text)[name] for name in "ABCDEG"}
