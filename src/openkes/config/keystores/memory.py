"""`keystore.memory`: keys are gone when the server stops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from openkes.config.node import Node
from openkes.config.schema import KeyStoreSettings
from openkes.keystore import KeyStore
from openkes.keystore.memory import MemoryStore


@dataclass(frozen=True, slots=True)
class MemorySettings(KeyStoreSettings):
    lasting: ClassVar[bool] = False

    def open(self, initialise: bool = True) -> KeyStore:
        return MemoryStore()

    def describe(self) -> str:
        return "memory: keys are gone when the server ends"


def settings(node: Node) -> MemorySettings:
    node.known()
    return MemorySettings()
