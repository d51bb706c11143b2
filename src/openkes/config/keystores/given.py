"""Optional settings of a key store that may be written and left empty, as in upstream's sample of a configuration."""

from __future__ import annotations

from openkes.config import secret
from openkes.config.node import Node
from openkes.config.secret import Secret


def given(node: Node, *names: str) -> dict[str, Node]:
    """`node.known`, without those whose value is empty text."""
    return {name: value for name, value in node.known(*names).items() if not (value.is_scalar and not value.text())}


def secrets(node: Node, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Secret] | None:
    """A section of secrets that go together: all that are needed, or None for none at all. ConfigError."""
    found = given(node, *needed, *optional)
    if not found:
        return None
    for name in needed:
        if name not in found:
            raise node.error(f"'{node.path}.{name}' is missing", f"a login needs all of: {', '.join(needed)}")
    return {name: secret.settings(value) for name, value in found.items()}
