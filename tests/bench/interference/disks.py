"""A key store whose calls take seconds, and an audit log on a slow disk: the server's own code on its own files, with
calls of libc that wait (slow_disk.c)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.bench.interference.scenario import Disturb, Disturbance, Scenario, Stage, program
from tests.bench.servers import REQUIRED
from tests.bench.target import Target
from tests.servers import KeyServer

SWITCH = "slow"  # beside the server's folder
ASKING = 32  # callers of the slow store: twice the threads of the application
AGAIN = 100  # milliseconds; a key must come back well before it leaves again


def stages(store: int, disk: int, required: int) -> list[Stage]:
    """Milliseconds: of a call of the slow store, of a write to the slow disk, and of one in mode `required`."""
    why = None if _compiler() else "no C compiler, which makes the slow disk"
    on_keys, on_audit = _preload("server/keys"), _preload("server/audit.jsonl")
    others = f"the key store takes {store:,} ms a call, {ASKING} callers ask for other keys"
    own = f"the key store takes {AGAIN} ms a call, and the key itself is fetched anew every second (cache.expiry.any)"
    lines = f"a write to the audit log takes {disk} ms"
    waits = f"a write to the audit log takes {required} ms, audit required: an answer waits for its line"
    return [
        Stage([Scenario(others, _asking(store))], environment=on_keys, without=why),
        Stage(
            [Scenario(own, _slow(AGAIN))],
            config={"cache": {"expiry": {"any": "1s", "unused": "1s"}}},
            environment=on_keys,
            without=why,
        ),
        Stage([Scenario(lines, _slow(disk))], environment=on_audit, without=why),
        Stage([Scenario(waits, _slow(required))], label=REQUIRED, environment=on_audit, without=why),
    ]


def _compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc")


def _preload(below: str) -> Callable[[Path], Mapping[str, str]]:
    """The environment of a server whose files under `below`, a path beside the switch, are slow on demand."""

    def environment(folder: Path) -> Mapping[str, str]:
        library = folder / "slow_disk.so"
        compiler = _compiler()
        assert compiler is not None
        done = subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", library, Path(__file__).with_name("slow_disk.c"), "-ldl"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return {
            "LD_PRELOAD": str(library),
            "SLOW_SWITCH": str(folder / SWITCH),
            "SLOW_UNDER": str(folder / below),
        }

    return environment


def _slow(milliseconds: int) -> Disturb:
    @contextmanager
    def disturb(server: KeyServer, target: Target) -> Iterator[Disturbance]:
        switch = server.folder.parent / SWITCH
        part = switch.with_suffix(".part")
        part.write_text(str(milliseconds))
        part.rename(switch)
        try:
            yield Disturbance("slow all the time")
        finally:
            switch.unlink()

    return disturb


def _asking(milliseconds: int) -> Disturb:
    @contextmanager
    def disturb(server: KeyServer, target: Target) -> Iterator[Disturbance]:
        asking = ("-what", "absent", "-workers", str(ASKING))
        with _slow(milliseconds)(server, target), program(server, target, asking, "keys asked for") as disturbance:
            yield disturbance

    return disturb
