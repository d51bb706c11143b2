"""How an entry is written into a secret, as upstream does it. Pure functions."""

from __future__ import annotations

from typing import Any

from openkes.keystore import Unreachable

MAX_BYTES = 65_536  # of a value; a quota of the service


def written(value: bytes) -> dict[str, Any]:
    """As upstream writes it; bytes that are no text can only be kept as bytes. Unreachable."""
    if len(value) > MAX_BYTES:
        raise Unreachable(
            f"the entry has {len(value)} bytes and AWS Secrets Manager takes {MAX_BYTES}: it has too many versions;"
            " make a new key"
        )
    try:
        return {"SecretString": value.decode()}
    except UnicodeDecodeError:
        return {"SecretBinary": value}


def read(answer: dict[str, Any]) -> bytes:
    text = answer.get("SecretString")
    return bytes(answer["SecretBinary"]) if text is None else str(text).encode()
