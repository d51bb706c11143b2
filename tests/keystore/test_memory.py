"""The memory store keeps the interface."""

from __future__ import annotations

import pytest

from openkes.keystore.memory import MemoryStore
from tests.keystore.conformance import Conformance


class TestMemory(Conformance):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
