"""Text to typed values, each with an error that shows how to write it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from openkes import names
from openkes.config.node import Node
from openkes.policy import BadRule, check_rule

_IDENTITY = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_HEADER = re.compile(r"[A-Za-z0-9-]+", re.ASCII)
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)


def switch(node: Node) -> bool:
    """`on` or `off` (and `true` or `false`)."""
    text = node.text().lower()
    if text in ("on", "true"):
        return True
    if text in ("off", "false", ""):
        return False
    raise node.error(f"'{node.path}' is '{node.text()}'", "write on or off")


def duration(node: Node) -> float:
    """Seconds from Go's form, `1h2m3s`."""
    text = node.text()
    if text == "0":
        return 0.0
    parts = list(_PART.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text:
        raise node.error(f"'{node.path}' is '{text}', which is not a duration", "write it like 5m0s, 30s or 1h30m")
    return sum(float(part[1]) * _UNITS[part[2]] for part in parts)


def address(node: Node) -> tuple[str, int]:
    """`IP:PORT`, `:PORT` or `[IPv6]:PORT`."""
    try:
        return parse_address(node.text())
    except ValueError as error:
        raise node.error(f"'{node.path}': {error}") from None


def parse_address(text: str) -> tuple[str, int]:
    """ValueError says what is wrong."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"'{text}' is not an address: write IP:PORT, like 0.0.0.0:7373")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"'{text}' is not an address: write an IPv6 address as [IP]:PORT")
    return host or "0.0.0.0", int(port)  # noqa: S104 - as ':7373' means everywhere


def identity(node: Node) -> str:
    """64 hex digits, lower case."""
    text = node.text()
    if _IDENTITY.fullmatch(text) is None:
        raise node.error(
            f"'{node.path}' is not an identity (64 hex digits)", "print one with: kes identity of CERTIFICATE"
        )
    return text.lower()


def text(node: Node) -> str:
    """Any text but none at all."""
    value = node.text()
    if not value:
        raise node.error(f"'{node.path}' is empty")
    return value


def choice(node: Node, choices: Iterable[str]) -> str:
    """One of `choices`, as they are written."""
    value = node.text()
    if value not in (known := list(choices)):
        raise node.error(f"'{node.path}' is '{value}'", f"write one of: {', '.join(known)}")
    return value


def integer(node: Node, least: int, most: int) -> int:
    """Decimal digits, from `least` to `most`."""
    value = node.text()
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
        raise node.error(f"'{node.path}' is '{value}'", f"write a number from {least} to {most}")
    return int(value)


def url(node: Node, scheme: str = "") -> str:
    """`https://HOST[:PORT][/PATH]` without a slash at its end; http is for servers on this machine only. `scheme`: of
    a value that names none, which is an error otherwise."""
    value = node.text()
    if scheme and value and "://" not in value:
        value = f"{scheme}://{value}"
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port  # both can raise
    except ValueError:
        host = None
    if not host or parts.scheme not in ("https", "http") or parts.username or parts.query or parts.fragment:
        raise node.error(f"'{node.path}' is '{value}'", "write a URL like https://kms.example.com:8200")
    if parts.scheme == "http" and not _is_here(host):
        raise node.error(
            f"'{node.path}' is '{value}': keys would cross the network in the clear", "write https://, not http://"
        )
    return value.rstrip("/")


def urls(node: Node) -> tuple[str, ...]:
    """One URL or a list of them, of servers that hold the same."""
    found = tuple(dict.fromkeys(url(item) for item in node.one_or_more()))
    if not found:
        raise node.error(f"'{node.path}' is empty", "write a URL, or a list of them")
    return found


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def path(node: Node) -> Path:
    text = node.text()
    if not text:
        raise node.error(f"'{node.path}' is empty", "write a path")
    return Path(text)


def header(node: Node) -> str:
    """The name of an HTTP header."""
    text = node.text()
    if _HEADER.fullmatch(text) is None:
        raise node.error(f"'{node.path}' is not the name of an HTTP header", "write one like X-Tls-Client-Cert")
    return text


def rule(node: Node) -> str:
    try:
        return check_rule(node.text())
    except BadRule as error:
        raise node.error(f"'{node.path}': {error}") from None


def name(node: Node) -> str:
    text = node.text()
    if not names.is_valid(text):
        raise node.error(f"'{node.path}': '{text}' is not a valid name", "use 1 to 80 of 0-9 A-Z a-z _ -")
    return text
