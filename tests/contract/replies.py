"""The recorded replies as requests to send and answers to compare; and the list of deliberate differences.

A sender is given a `Request` and returns a `Reply`; how it travels is its business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
RECORDED = json.loads((ROOT / "tests" / "vectors" / "api-replies.json").read_text())
ROWS: list[dict[str, Any]] = RECORDED["replies"]

#: Keys that were there when the replies were recorded, and the policy of the identity "minio".
KEYS = (
    "hid-aes256-create", "hid-aes256-import", "hid-chacha20-import", "my-master-key", "other-key",
    "pub-aes256-create", "pub-aes256-import", "pub-chacha20-import",
)  # fmt: skip
POLICY = tuple(f"/v1/key/{call}/*" for call in ("create", "generate", "decrypt", "describe", "encrypt", "list"))
MINIO_ID = "31c19f8b41ae9260fdb34bdb91134551fd75a1c942d8d2d7054b71b791a7d607"
ADMIN_ID = "edd4ff134184e7a9e7cff3f8ef2c0ab7ea8452c8ed3fa263012ba49f97caa75a"

#: Texts that the SDK compares byte for byte.
EXACT = {
    "key does not exist", "policy does not exist", "identity does not exist", "key already exists",
    "decryption failed: ciphertext is not authentic", "not authorized: insufficient permissions",
}  # fmt: skip


@dataclass(frozen=True)
class Request:
    identity: str
    method: str
    path: str
    body: bytes | None
    chunked: bool


@dataclass(frozen=True)
class Reply:
    status: int
    content_type: str | None
    location: str | None
    body: bytes


Sender = Callable[[Request], Reply]


def request_of(row: dict[str, Any], identities: dict[str, str]) -> Request:
    """`identities` maps "admin" and "minio" to the hashes of whoever stands for them now."""
    path = row["path"].replace(MINIO_ID, identities["minio"]).replace(ADMIN_ID, identities["admin"])
    return Request(row["identity"], row["method"], path, _body(row["request_body"]), row["chunked"])


def _body(text: str | None) -> bytes | None:
    if text is None:
        return None
    size = re.fullmatch(r"<(\d+) bytes>", text)
    if size is None:
        return text.encode()
    filling = int(size[1]) - len(b'{"plaintext": ""}')
    return b'{"plaintext": "' + b"A" * filling + b'"}'


def difference(row: dict[str, Any], reply: Reply) -> str:
    """What differs, in a few words; "" for nothing an SDK or an operator could notice."""
    if "error" in row:
        return f"{reply.status} instead of a refused handshake"
    if reply.status != row["status"]:
        return f"{reply.status} instead of {row['status']}"
    if (reply.location or None) != row["location"]:
        return f"location {reply.location} instead of {row['location']}"
    recorded = row["response_body"]
    if row["status"] == 200:
        return _difference_of_data(row["path"], recorded, reply)
    if row["status"] == 307 or row["method"] == "HEAD":
        return ""
    return _difference_of_error(row, recorded, reply)


def _difference_of_error(row: dict[str, Any], recorded: str, reply: Reply) -> str:
    if reply.content_type != "application/json":
        return f"type {reply.content_type}"
    message = json.loads(reply.body)["message"]
    if row["content_type"] != "application/json":
        return "JSON instead of plain text"
    expected = json.loads(recorded)["message"]
    if expected in EXACT and message != expected:
        return f"text '{message}' instead of '{expected}'"
    return ""


def _difference_of_data(path: str, recorded: str, reply: Reply) -> str:
    if not recorded:
        return f"body {reply.body!r} instead of none" if reply.body or reply.content_type else ""
    if path == "/v1/metrics":
        type_ = reply.content_type or ""
        return "" if type_.startswith("text/plain; version=0.0.4") else f"type {type_}"
    if reply.content_type != "application/json":
        return f"type {reply.content_type}"
    actual = json.loads(reply.body)
    if path == "/v1/api":
        # The recording is cut after 600 characters: what stands there must be here too.
        routes = set(re.findall(r'{"method":"(\w+)","path":"([^"]+)","max_body":(\d+),', recorded))
        here = {(r["method"], r["path"], "1000000" if r["max_body"] else "0") for r in actual}
        return f"no {sorted(routes - here)}" if routes - here else ""
    if isinstance(actual, list):
        return "a list"
    expected = json.loads(recorded)
    if sorted(expected) != sorted(actual):
        return f"fields {sorted(actual)} instead of {sorted(expected)}"
    for field in ("names", "algorithm", "name", "allow"):
        if field in expected and expected[field] != actual[field]:
            return f"{field} {actual[field]} instead of {expected[field]}"
    return ""


def listed_differences() -> dict[int, str]:
    """Row number to reason, from the tables of docs/differences.md."""
    listed: dict[int, str] = {}
    for line in (ROOT / "docs" / "differences.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4 and re.match(r"\d[\d, –]*$", cells[0]):
            for part in cells[0].split(","):
                first, _, last = part.strip().partition("–")
                for number in range(int(first), int(last or first) + 1):
                    listed[number] = cells[3]
    return listed


def replay(send: Sender, identities: dict[str, str]) -> dict[int, str]:
    """Send every row in order; row number to difference, for the rows that differ."""
    found = {}
    for number, row in enumerate(ROWS):
        text = difference(row, send(request_of(row, identities)))
        if text:
            found[number] = text
    return found
