# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The text of an environment file, as systemd reads it: find assignments, change ours, keep the rest.

Pure functions over text. Everything that is not one of the wanted assignments stays byte for byte: comments,
order, spacing, line ends, a missing newline at the end. Knows MinIO's rules about which variables exclude each
other; knows nothing of files, hosts or services.
"""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Tuple

#: MinIO refuses to start when one of these is present beside the KES variables, even empty.
EXCLUDED = (
    "MINIO_KMS_SERVER",
    "MINIO_KMS_ENCLAVE",
    "MINIO_KMS_SSE_KEY",
    "MINIO_KMS_API_KEY",
    "MINIO_KMS_SECRET_KEY",
    "MINIO_KMS_SECRET_KEY_FILE",
    "MINIO_KMS_KES_API_KEY",
)
#: Not a variable of MinIO, though many pages write it; the real one is MINIO_KMS_KES_CAPATH.
MISSPELT = "MINIO_KMS_KES_CA_PATH"
#: The five lines this collection writes.
OURS = (
    "MINIO_KMS_KES_ENDPOINT",
    "MINIO_KMS_KES_KEY_FILE",
    "MINIO_KMS_KES_CERT_FILE",
    "MINIO_KMS_KES_KEY_NAME",
    "MINIO_KMS_KES_CAPATH",
)

_ASSIGNMENT = re.compile(r"[ \t]*(?P<export>export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=")
_PLAIN = re.compile(r"[A-Za-z0-9_./:,@%+=-]+\Z")


class BrokenFile(ValueError):
    """The text cannot be read the way systemd reads it; the message names the line."""


class Entry(NamedTuple):
    """One assignment (possibly over several lines) or, with name None, one line of anything else.

    `raw` is the text as found, line end included; joining all `raw` gives the file again.
    """

    raw: str
    name: str | None = None
    value: str = ""
    export: bool = False


def parse(text: str) -> List[Entry]:
    """Split into entries. Raises BrokenFile for a quote that is never closed."""
    entries: List[Entry] = []
    position = 0
    while position < len(text):
        found = _ASSIGNMENT.match(text, position)
        if found is None:
            end = text.find("\n", position) + 1 or len(text)
            entries.append(Entry(text[position:end]))
            position = end
            continue
        value, end = _value(text, found.end())
        entries.append(Entry(text[position:end], found["name"], value, bool(found["export"])))
        position = end
    return entries


def _value(text: str, start: int) -> Tuple[str, int]:
    """The value that begins at `start` and where its last line ends, by systemd's rules.

    Quotes count only at the beginning of the value or after a closed quote; a backslash joins lines.
    """
    parts: List[str] = []
    trailing = 0  # unquoted white space at the end does not belong to the value
    position = start
    fresh = True  # a quote here opens a quoted part
    while position < len(text):
        char = text[position]
        if char == "\n":
            position += 1
            break
        if char in "'\"" and fresh:
            part, position = _quoted(text, position)
            parts.append(part)
            trailing = 0
            continue
        if char == "\\" and position + 1 < len(text):
            if text.startswith("\r\n", position + 1):
                position += 3
                continue
            if text[position + 1] != "\n":
                parts.append(text[position + 1])
                trailing = 0
                fresh = False
            position += 2
            continue
        position += 1
        if char in " \t\r":
            if not fresh or parts:
                parts.append(char)
                trailing += 1
            continue
        parts.append(char)
        trailing = 0
        fresh = False
    return "".join(parts[: len(parts) - trailing] if trailing else parts), position


def _quoted(text: str, start: int) -> Tuple[str, int]:
    quote = text[start]
    parts: List[str] = []
    position = start + 1
    while position < len(text):
        char = text[position]
        if char == quote:
            return "".join(parts), position + 1
        if char == "\\" and quote == '"' and position + 1 < len(text):
            following = text[position + 1]
            if following in '"\\`$':
                parts.append(following)
            elif following != "\n":
                parts.append(char + following)
            position += 2
            continue
        parts.append(char)
        position += 1
    line = text.count("\n", 0, start) + 1
    raise BrokenFile(
        "line %d opens a quote (%s) that is never closed, so systemd takes the rest of the file as one value"
        % (line, quote)
    )


def values(text: str) -> Dict[str, str]:
    """Names and values as a service would see them: the last assignment of a name wins."""
    return {entry.name: entry.value for entry in parse(text) if entry.name is not None}


def conflicts(names: object) -> List[str]:
    """Those of the given names (any iterable of str) that MinIO does not accept beside the KES variables."""
    present = set(names)  # type: ignore[call-overload]
    return [name for name in EXCLUDED if name in present]


def edit(text: str, wanted: Dict[str, str | None]) -> str:
    """The text with each wanted name assigned once, or not at all where the wanted value is None.

    A line that already says so stays as it is. A changed one keeps its place, line end and `export`; missing ones
    are added at the end, in the order of `wanted`.
    """
    entries = parse(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    exported = [entry.export for entry in entries if entry.name is not None]
    prefix = "export " if exported and all(exported) else ""
    result: List[str] = []
    done = set()
    for entry in entries:
        if entry.name is None or entry.name not in wanted:
            result.append(entry.raw)
            continue
        value = wanted[entry.name]
        if value is None or entry.name in done:
            continue
        done.add(entry.name)
        if entry.value == value:
            result.append(entry.raw)
            continue
        end = entry.raw[len(entry.raw.rstrip("\r\n")) :]
        result.append(_line(entry.name, value, "export " if entry.export else "") + end)
    added = [_line(name, value, prefix) for name, value in wanted.items() if value is not None and name not in done]
    kept = "".join(result)
    if not added:
        return kept
    if not kept:
        return newline.join(added) + newline
    if kept.endswith("\n"):
        return kept + newline.join(added) + newline
    return kept + newline + newline.join(added)


def _line(name: str, value: str, prefix: str) -> str:
    return "%s%s=%s" % (prefix, name, quote(value))


def quote(value: str) -> str:
    """The value as systemd and a shell both read it. Raises ValueError for a line break."""
    if "\n" in value or "\r" in value:
        raise ValueError("an environment value must be one line")
    if value == "" or _PLAIN.match(value):
        return value
    return '"%s"' % re.sub(r'(["\\`$])', r"\\\1", value)
