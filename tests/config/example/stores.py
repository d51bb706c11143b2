"""A key store of somebody else: what a package needs that offers one. Shown in docs/stores/third-party.md."""

from dataclasses import dataclass
from pathlib import Path

from openkes.config.node import Node
from openkes.config.schema import KeyStoreSettings
from openkes.keystore import KeyStore
from openkes.keystore.fs import FileStore  # in place of a class of your own that keeps the interface `KeyStore`


@dataclass(frozen=True)
class Tape(KeyStoreSettings):
    drive: str

    def open(self, initialise: bool = True) -> KeyStore:
        return FileStore(Path(self.drive), initialise)

    def describe(self) -> str:
        return f"tape in {self.drive}"


def settings(node: Node) -> Tape:
    return Tape(node.known("drive")["drive"].text())
