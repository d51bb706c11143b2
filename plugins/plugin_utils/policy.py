# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The policy of MinIO hosts: the calls MinIO makes, and no others. Pure."""

from __future__ import annotations

#: What MinIO calls for its work, for each key.
USE = ("generate", "decrypt", "describe")


def rules(keys: list[str], create: bool, more: list[str]) -> list[str]:
    """Allowed paths, in a stable order."""
    verbs = (*USE, "create") if create else USE
    paths = [f"/v1/key/{verb}/{key}" for key in keys for verb in verbs]
    return list(dict.fromkeys([*paths, "/v1/status", *more]))
