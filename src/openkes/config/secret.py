"""Secrets that a setting holds or names: the text itself (mostly `${VAR}`), a file, or a systemd credential.

Read when they are used, so that a replaced file works without a restart. Must not know what they are for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from openkes.config import values
from openkes.config.node import Node
from openkes.config.secret_files import first_line, read_private
from openkes.errors import OperatorError


@dataclass(frozen=True, slots=True)
class Secret:
    """Exactly one of `text`, `file` and `credential` is set. `setting` is where it stands, like `vault.token`."""

    setting: str
    text: str | None = field(default=None, repr=False)
    file: Path | None = None
    credential: str | None = None

    def read(self) -> str:
        """The first line as it is now. OperatorError never shows it."""
        if self.text is not None:
            return self.text
        data, source = self._data()
        return _text(first_line(data, source), source)

    def read_all(self) -> str:
        """Every line, as of a PEM file. OperatorError never shows it."""
        if self.text is not None:
            return self.text
        return _text(*self._data())

    def _data(self) -> tuple[bytes, str]:
        """And where it is from, for errors."""
        if self.file is not None:
            source = f"{self.file} ({self.setting}.file)"
            return read_private(self.file, source), source
        source = f"the credential {self.credential} ({self.setting}.credential)"
        return credential(str(self.credential), source), source


def settings(node: Node) -> Secret:
    """`VALUE`, `{file: PATH}` or `{credential: NAME}`. ConfigError."""
    if node.is_scalar:
        text = node.text()
        if not text:
            raise node.error(f"'{node.path}' is empty", "write it, or: {file: PATH}")
        return Secret(node.path, text=text)
    sources = node.known("file", "credential")
    if len(sources) != 1:
        raise node.error(f"'{node.path}' names {len(sources)} sources", "name exactly one: file or credential")
    name, value = next(iter(sources.items()))
    where = values.path(value)
    if name == "file":
        return Secret(node.path, file=where)
    if len(where.parts) != 1:
        raise value.error(f"'{value.path}' is a path", "write the name of the credential, as in LoadCredential=NAME:…")
    return Secret(node.path, credential=str(where))


def credential(name: str, source: str) -> bytes:
    """What systemd gave this unit under `name`; `source` names credential and setting in errors. OperatorError."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise OperatorError(
            f"cannot read {source}: CREDENTIALS_DIRECTORY is not set",
            f"systemd sets it for a unit with LoadCredential={name}:FILE or LoadCredentialEncrypted=; by hand, "
            "name a file instead",
        )
    try:
        # systemd vouches for its mode; it is in memory and the unit's alone.
        return (Path(folder) / name).read_bytes()
    except OSError as error:
        raise OperatorError(
            f"cannot read {source}: {error.strerror}", f"add LoadCredential={name}:FILE to the unit"
        ) from None


def _text(data: bytes, source: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise OperatorError(f"{source} is not UTF-8 text", "write the secret there") from None
