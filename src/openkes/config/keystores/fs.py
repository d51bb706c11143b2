"""`keystore.fs`: a folder, plain or sealed."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from openkes.config import seal, values
from openkes.config.node import Node
from openkes.config.schema import KeyStoreSettings, Seal
from openkes.errors import OperatorError
from openkes.keystore import KeyStore
from openkes.keystore.fs import FileStore
from openkes.keystore.seal_file import is_sealed_folder, unlock
from openkes.keystore.sealed import SealedStore


@dataclass(frozen=True, slots=True)
class FSSettings(KeyStoreSettings):
    """`seal` None: entries are kept plain."""

    path: Path
    seal: Seal | None = None
    hint: ClassVar[str] = "keystore.fs.path names the folder of the keys"

    def open(self, initialise: bool = True) -> KeyStore:
        # Before the folder is touched: a key that cannot be read must leave no half-made store.
        secret = seal.secret(self.seal) if self.seal else None
        store = FileStore(self.path, initialise)
        if secret is not None:
            return SealedStore(store, unlock(self.path, store, secret, initialise))
        if is_sealed_folder(self.path):
            raise OperatorError(
                f"the key store {self.path} is sealed, and the configuration has no sealing key",
                "set keystore.fs.seal to the key or passphrase it was sealed with",
            )
        return store

    def describe(self) -> str:
        return f"folder {self.path}, sealed" if self.seal else f"folder {self.path}"

    def place(self) -> Hashable:
        return self.path.resolve()

    def absent(self) -> str:
        return "" if self.path.exists() else f"{self.path} is not a folder"

    def check_absent(self) -> None:
        if not self.path.parent.is_dir():
            raise OperatorError(f"keystore.fs.path: {self.path.parent} is not a folder", "make it, or mount it")


def settings(node: Node) -> FSSettings:
    keys = node.known("path", "seal")
    if "path" not in keys:
        raise node.error("'keystore.fs.path' is missing", "name the folder of the keys")
    return FSSettings(values.path(keys["path"]), seal.settings(keys["seal"]) if "seal" in keys else None)
