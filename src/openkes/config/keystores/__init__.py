"""`keystore:`, one module a kind of store: its settings from the file, and an open store from its settings.

Owns which kinds there are: those here, and those of other distributions that offer an entry point `openkes.keystore`.
Must not import a kind, and with it an SDK, that nobody chose.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from openkes.config.node import Node
from openkes.config.schema import KeyStoreSettings

ENTRY_POINTS = "openkes.keystore"
#: From the name in the file, of which a dot separates two levels, to the module here.
KINDS = {
    "aws.secretsmanager": "aws",
    "azure.keyvault": "azure",
    "entrust.keycontrol": "entrust",
    "etcd": "etcd",
    "fortanix.sdkms": "fortanix",
    "fs": "fs",
    "gcp.secretmanager": "gcp",
    "gemalto.keysecure": "gemalto",
    "memory": "memory",
    "postgres": "postgres",
    "vault": "vault",
}
_Settings = Callable[[Node], KeyStoreSettings]


def settings(node: Node) -> KeyStoreSettings:
    """Of the section `keystore`. ConfigError."""
    others = {point.name: point for point in entry_points(group=ENTRY_POINTS) if point.name not in KINDS}
    found = _chosen(node, [*KINDS, *others])
    if len(found) != 1:
        known = ", ".join(sorted([*KINDS, *others]))
        raise node.error(f"'{node.path}' names {len(found)} stores", f"name exactly one of: {known}")
    name, section = next(iter(found.items()))
    convert = _built_in(name) if name in KINDS else _load(section, others[name])
    return convert(section)


def _built_in(name: str) -> _Settings:
    convert: _Settings = import_module(f"{__name__}.{KINDS[name]}").settings
    return convert


def _chosen(node: Node, names: list[str]) -> dict[str, Node]:
    """The sections, by name, of the kinds that the file names."""
    found = {}
    for first, section in node.known(*dict.fromkeys(name.partition(".")[0] for name in names)).items():
        seconds = [second for head, _, second in (name.partition(".") for name in names) if head == first and second]
        if not seconds:
            found[first] = section
            continue
        below = section.known(*seconds)
        if not below:
            raise section.error(f"'{section.path}' is empty", f"write '{seconds[0]}:' below it")
        found |= {f"{first}.{second}": inner for second, inner in below.items()}
    return found


def _load(section: Node, point: EntryPoint) -> _Settings:
    try:
        loaded: _Settings = point.load()
    except Exception as error:  # somebody else's code, at the outermost edge of ours
        raise section.error(
            f"the key store '{point.name}' ({point.value}) cannot be loaded: {type(error).__name__}: {error}",
            "reinstall the package that brings it",
        ) from error
    return loaded
