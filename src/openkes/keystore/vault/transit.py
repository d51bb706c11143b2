"""Entries wrapped by the transit engine: what is stored is `vault:vN:…`, and the wrapping key never leaves the server.

Must not know where the text is stored.
"""

from __future__ import annotations

import base64
import binascii
from typing import Protocol

from openkes.keystore import Unreachable
from openkes.keystore.vault.client import Client

PREFIX = "vault:v"  # with both products


class Wrapping(Protocol):
    """Bytes of an entry to the text that is stored, and back. Thread-safe."""

    def wrap(self, value: bytes, until: float) -> str:
        """Unreachable."""

    def unwrap(self, text: str, until: float) -> bytes:
        """Unreachable, also for a text that it has not made."""


class Plain:
    """Implements `Wrapping`: the entry itself, as upstream has it."""

    def wrap(self, value: bytes, until: float) -> str:
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise Unreachable("a KV engine stores text, and this entry is none: no key server made it") from None

    def unwrap(self, text: str, until: float) -> bytes:
        if text.startswith(PREFIX):
            raise Unreachable("the entry is wrapped by a transit key: set keystore.vault.transit to that key")
        return text.encode()


class Transit:
    """Implements `Wrapping`. The newest version of the key wraps; every version that the server allows unwraps."""

    def __init__(self, client: Client, engine: str, key: str) -> None:
        self._client = client
        self._engine = engine
        self._key = key

    def wrap(self, value: bytes, until: float) -> str:
        data = self._call("encrypt", {"plaintext": base64.b64encode(value).decode()}, until)
        text = data.get("ciphertext")
        if not isinstance(text, str) or not text.startswith(PREFIX):
            raise Unreachable(f"{self._client}: {self._engine} gave no ciphertext: is it a transit engine?")
        return text

    def unwrap(self, text: str, until: float) -> bytes:
        if not text.startswith(PREFIX):
            raise Unreachable(
                "the entry is not wrapped, and keystore.vault.transit is set: a plain entry is not trusted here; to "
                "wrap a store of plain entries use 'kes migrate' into a new prefix"
            )
        data = self._call("decrypt", {"ciphertext": text}, until)
        try:
            return base64.b64decode(str(data.get("plaintext")), validate=True)
        except binascii.Error:
            raise Unreachable(f"{self._client}: {self._engine} gave no plaintext: is it a transit engine?") from None

    def _call(self, what: str, body: dict[str, str], until: float) -> dict[str, object]:
        path = f"{self._engine}/{what}/{self._key}"
        answer = self._client.call("POST", path, body, need=f"update on {path}", until=until, repeatable=True)
        data = answer.document.get("data")
        return data if isinstance(data, dict) else {}
