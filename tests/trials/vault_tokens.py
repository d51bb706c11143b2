"""Trial: short-lived tokens on a real OpenBao, under load, while an operator interferes.

    python -m tests.trials.vault_tokens [--full] [--seconds S] [--ttl S]

Four threads create, change and read keys through one store, wrapped by transit. Tokens last for `ttl` seconds and can
be renewed up to 2.5 times as long; meanwhile the transit key is rotated, the token is revoked, and once OpenBao is
sealed and unsealed. No call may fail, except those that are under way while it is sealed; every key must be there.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from openkes.keystore.vault import VaultStore
from openkes.keystore.vault.token import Token
from tests.keystore.bao import Bao, running
from tests.keystore.vault.site import TRANSIT_KEY, prepare, site

THREADS = 4
SHORT = (8.0, 2.0)  # seconds in all, and of a token
FULL = (180.0, 10.0)
STEPS = ["rotate", "revoke", "rotate", "seal", "rotate", "revoke", "rotate"]  # spread over the time
SEALED_SECONDS = 1.0
_LOOK_SECONDS = 0.02
_JOIN_SECONDS = 60.0


@dataclass(slots=True)
class Figures:
    """`sealed` in seconds; `excused`: calls that failed while it was sealed."""

    seconds: float
    ttl: float
    calls: int = 0
    slowest: float = 0.0
    logins: int = 0
    renewals: int = 0
    done: list[str] = field(default_factory=list)
    sealed: float = 0.0
    excused: int = 0
    keys: int = 0
    findings: list[str] = field(default_factory=list)

    def text(self) -> str:
        return (
            f"{self.seconds:.0f} s with tokens of {self.ttl:g} s: {self.calls:,} calls, {len(self.findings)} findings, "
            f"the slowest call {self.slowest:.2f} s; {self.logins} logins, {self.renewals} renewals, "
            f"{self.done.count('revoke')} tokens revoked, {self.done.count('rotate')} rotations of the transit key; "
            f"sealed for {self.sealed:.1f} s, in which {self.excused} calls failed; {self.keys:,} keys, all read again"
        )


class Load:
    """Calls from several threads; `failures` with the times at which each call began and ended."""

    def __init__(self, store: VaultStore) -> None:
        self._store = store
        self._ended = threading.Event()
        self.stored: dict[str, bytes] = {}
        self.calls = 0
        self.slowest = 0.0
        self.failures: list[tuple[float, float, str]] = []

    def _run(self) -> None:
        for i in itertools.count():
            if self._ended.is_set():
                return
            name, value = f"key-{uuid.uuid4()}", uuid.uuid4().bytes
            if not self._call(lambda n=name, v=value: self._store.create(n, v)):
                continue
            if i % 4 == 0 and not self._call(lambda n=name, v=value: self._store.replace(n, v, v * 2)):
                continue
            value *= 2 if i % 4 == 0 else 1
            self.stored[name] = value
            self._call(lambda n=name, v=value: check(self._store, n, v))

    def _call(self, call: Callable[[], object]) -> bool:
        begin = time.monotonic()
        try:
            call()
        except Exception as error:  # whatever it is, it is a finding
            self.failures.append((begin, time.monotonic(), f"{type(error).__name__}: {error}"))
            self._ended.wait(_LOOK_SECONDS)
            return False
        finally:
            self.calls += 1
        self.slowest = max(self.slowest, time.monotonic() - begin)
        return True

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._run) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join(_JOIN_SECONDS)


def check(store: VaultStore, name: str, value: bytes) -> None:
    if store.get(name) != value:
        raise AssertionError(f"{name} has another value than was stored")


def trial(seconds: float, ttl: float) -> Figures:
    """NoBao where there is none."""
    figures = Figures(seconds, ttl)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "bao") as bao:
        prepare(bao)
        corner = site(bao, 2, wrapped=True, token_ttl=f"{ttl:g}s", token_max_ttl=f"{2.5 * ttl:g}s")
        store = corner.open()
        load = Load(store)
        sealed = (0.0, 0.0)
        with load.running():
            for step in _steps(figures, store, seconds):
                if step == "seal":
                    sealed = _seal(bao)
                elif step == "revoke":
                    bao.call("POST", "auth/token/revoke", {"token": _token(store).secret})
                else:
                    bao.call("POST", f"transit/keys/{TRANSIT_KEY}/rotate")
                figures.done.append(step)
        figures.calls, figures.slowest, figures.keys = load.calls, load.slowest, len(load.stored)
        figures.sealed = sealed[1] - sealed[0]
        for begin, end, text in load.failures:
            if end > sealed[0] and begin < sealed[1]:
                figures.excused += 1
            else:
                figures.findings.append(text)
        another = corner.open()
        for name, value in load.stored.items():
            check(another, name, value)
        corner.close()
    if figures.done != STEPS:
        figures.findings.append(f"only this was done: {figures.done}")
    return figures


def _steps(figures: Figures, store: VaultStore, seconds: float) -> Iterator[str]:
    """What the operator is to do, each at its time; meanwhile tokens are counted."""
    begin, pause = time.monotonic(), threading.Event()
    planned = {(i + 1) * seconds / (len(STEPS) + 1): step for i, step in enumerate(STEPS)}
    last = _token(store)
    figures.logins = 1
    while (now := time.monotonic() - begin) < seconds:
        token = store._client._session._token or last
        figures.logins += token.secret != last.secret
        figures.renewals += token.secret == last.secret and token.begun != last.begun
        last = token
        for at in [at for at in planned if at <= now]:
            yield planned.pop(at)
        pause.wait(_LOOK_SECONDS)


def _token(store: VaultStore) -> Token:
    token = store._client._session._token
    assert token is not None
    return token


def _seal(bao: Bao) -> tuple[float, float]:
    """When it was sealed, and served again."""
    begin = time.monotonic()
    bao.seal()
    threading.Event().wait(SEALED_SECONDS)
    bao.unseal()
    return begin, time.monotonic()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="tokens of 10 s for three minutes")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--ttl", type=float, help="seconds that a token lasts")
    chosen = parser.parse_args()
    seconds, ttl = FULL if chosen.full else SHORT
    figures = trial(chosen.seconds or seconds, chosen.ttl or ttl)
    print(figures.text())
    for finding in figures.findings[:20]:
        print(f"  {finding}")
    return 1 if figures.findings else 0


if __name__ == "__main__":
    sys.exit(main())
