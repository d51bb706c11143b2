"""All targets by name."""

from __future__ import annotations

from tests.fuzz import ciphertext, config, entry, policy, proxy, request

ALL = {module.TARGET.name: module.TARGET for module in (request, ciphertext, entry, config, policy, proxy)}
