"""The key store in Vault or OpenBao: a secret per key in a KV engine, as upstream lays it out.

Owns the time that one call may take, and which engine and wrapping make up the store. Must not know HTTP, tokens or
which node answers (`client` does).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from openkes import names
from openkes.keystore import KeyNotFound, Page, Status, Unreachable
from openkes.keystore.http import Answer, ClientTLS
from openkes.keystore.paging import page_of
from openkes.keystore.vault.client import Client
from openkes.keystore.vault.kv1 import KV1
from openkes.keystore.vault.kv2 import KV2
from openkes.keystore.vault.login import Login
from openkes.keystore.vault.secret import Engine, Place
from openkes.keystore.vault.session import PING_SECONDS
from openkes.keystore.vault.transit import Plain, Transit, Wrapping

LIMIT_SECONDS = 9.0  # of one call, all attempts together; below the 15 s that a request has


@dataclass(frozen=True, slots=True)
class Layout:
    """Where entries lie, and how. `version` of the KV engine, 1 or 2. `transit`: engine and key, or None."""

    engine: str = "kv"
    version: int = 1
    prefix: str = ""
    transit: tuple[str, str] | None = None


class VaultStore:
    """Implements `KeyStore` and `HasToken`."""

    def __init__(
        self,
        endpoints: tuple[str, ...],
        login: Login,
        layout: Layout | None = None,
        *,
        namespace: str = "",
        tls: ClientTLS | None = None,
        ping: float = PING_SECONDS,
    ) -> None:
        """Logs in and looks at the engine: Unreachable when nobody answers, it is sealed, the login is refused or the
        engine is another one. `ping` in seconds: between two looks for the active node."""
        layout = layout or Layout()
        self._client = Client(endpoints, tls or ClientTLS(), login, namespace, ping)
        place = Place(layout.engine, layout.prefix)
        self._engine: Engine = KV2(self._client, place) if layout.version == 2 else KV1(self._client, place)
        self._wrapping: Wrapping = Transit(self._client, *layout.transit) if layout.transit else Plain()
        try:
            until = _until()
            self._client.start(until)
            self._check_engine(layout, until)
            self._engine.check(until)
            self._wrapping.unwrap(self._wrapping.wrap(b"check", until), until)
        except BaseException:
            self.close()
            raise

    def create(self, name: str, value: bytes) -> None:
        until = _until()
        self._engine.create(_checked(name), self._wrapping.wrap(value, until), until)

    def get(self, name: str) -> bytes:
        until = _until()
        return self._wrapping.unwrap(self._engine.get(_checked(name), until), until)

    def replace(self, name: str, old: bytes, new: bytes) -> None:
        until = _until()
        text = self._wrapping.wrap(new, until)
        self._engine.replace(_checked(name), lambda found: self._wrapping.unwrap(found, until) == old, text, until)

    def delete(self, name: str) -> None:
        self._engine.delete(_checked(name), _until())

    def list(self, prefix: str, limit: int, start: str = "") -> Page:
        return page_of(self._engine.names(_until()), prefix, limit, start)

    def status(self) -> Status:
        begin = time.perf_counter()
        self._engine.check(_until())
        return Status(time.perf_counter() - begin)

    def token_expires_in(self) -> float | None:
        return self._client.expires_in()

    def close(self) -> None:
        self._client.close()

    def _check_engine(self, layout: Layout, until: float) -> None:
        """A wrong version would store entries where nobody finds them, and without its check-and-set."""
        path = f"sys/internal/ui/mounts/{layout.engine}"
        need = f"something below {layout.engine}/, where a KV engine has to be mounted"
        answer = self._client.call("GET", path, need=need, until=until, answers=(404,))
        kind, version = _kind(answer)
        if kind not in ("kv", "generic"):
            raise Unreachable(
                f"{self._client}: {layout.engine}/ is an engine of the kind {kind or 'unknown'}: name a KV engine as "
                "keystore.vault.engine"
            )
        if version != layout.version:
            raise Unreachable(
                f"{self._client}: {layout.engine}/ is a KV engine of version {version}: set keystore.vault.version to "
                f"v{version}"
            )


def _kind(answer: Answer) -> tuple[str, int]:
    data = answer.document.get("data") if isinstance(answer.document, dict) else None
    found = data if isinstance(data, dict) else {}
    options = found.get("options")
    version = options.get("version") if isinstance(options, dict) else None
    return str(found.get("type") or ""), 2 if str(version) == "2" else 1


def _checked(name: str) -> str:
    """Other names could leave the folder."""
    if not names.is_valid(name):
        raise KeyNotFound(name)
    return name


def _until() -> float:
    return time.monotonic() + LIMIT_SECONDS
