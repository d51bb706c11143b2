"""Trial: a full disk and a failing one under a running server.

    python -m tests.trials.disk

Real: a small tmpfs as the key store, full of bytes, then full of inodes (needs root). Injected: every call that the
store makes of libc fails, one kind and error at a time, also in the middle of an operation (needs a C compiler).
The answer must be 200 or 5xx and never "no such key"; without the fault the key is as before, or as asked for after
a 200, and of use, without anyone repairing anything.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.sdk.programs import cache
from tests.servers import KeyServer, running
from tests.trials.disk_server import OPERATIONS, UNCACHED, Figures, Patient

#: Calls with the errors they are known to give.
FAULTS = {
    "open": (errno.EIO, errno.EMFILE),
    "creat": (errno.ENOSPC, errno.EROFS, errno.EMFILE),
    "read": (errno.EIO,),
    "write": (errno.ENOSPC, errno.EIO),
    "short": (errno.ENOSPC,),
    "fsync": (errno.EIO, errno.ENOSPC),
    "syncdir": (errno.EIO,),
    "link": (errno.EIO, errno.ENOSPC),
    "rename": (errno.EIO, errno.ENOSPC),
    "unlink": (errno.EIO,),
}
DEEPEST = 2  # so many calls of the kind succeed first
SETTLE_SECONDS = 20.0


class CannotRun(Exception):
    """The text says what this machine lacks."""


def compiled() -> Path:
    """The library that makes faults. CannotRun."""
    source = Path(__file__).with_name("disk_faults.c")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise CannotRun("injected faults: no C compiler")
    folder = cache() / "trials"
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / f"disk_faults-{os.getpid()}.so"
    done = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CannotRun(f"injected faults: the C compiler says: {done.stderr.strip().splitlines()[-1]}")
    return library


def injected(figures: Figures, folder: Path, operations: list[str], deepest: int) -> None:
    library = compiled()
    try:
        switch = folder / "fault"
        environment = {"LD_PRELOAD": str(library), "FAULTS": str(switch), "FAULTS_UNDER": str(folder / "keys")}
        with running(folder, {"cache": UNCACHED}, environment=environment) as server, server.client() as client:
            _wait(lambda: client.list_keys() is not None)
            patient = Patient(client, figures)
            for call, errors in FAULTS.items():
                hit = figures.failed
                for number in errors:
                    for skip in range(deepest + 1):
                        for operation in operations:
                            where = f"{call} fails with {errno.errorcode[number]} after {skip}"
                            _one(patient, switch, f"{call} {number} {skip}", operation, where)
                if call != "unlink" and figures.failed == hit:  # only leftovers are unlinked
                    figures.findings.append(f"{call} never failed: the faults are not injected")
            _check_server(server, figures)
    finally:
        library.unlink()


def _one(patient: Patient, switch: Path, fault: str, operation: str, where: str) -> None:
    key = patient.prepare(operation)
    part = switch.with_name("fault.part")
    # A line of its own for each: the library counts calls anew when the line changes.
    part.write_text(f"{fault} {key.name}\n")
    part.rename(switch)
    status = patient.attempt(operation, key, where)
    switch.unlink()
    patient.check(operation, key, status, where)


@contextmanager
def tmpfs(options: str) -> Iterator[Path]:
    """A small file system. CannotRun unless this process may mount."""
    with tempfile.TemporaryDirectory() as name:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "openkes-trial", name], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise CannotRun(f"a real full disk: {done.stderr.strip()}")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "--lazy", name], check=True)


def full(figures: Figures, folder: Path, options: str, fill: Callable[[Path], None]) -> None:
    """Each operation on a full disk, and again after space was made."""
    with tmpfs(options) as disk:
        store = {"fs": {"path": str(disk / "keys")}}
        with running(folder, {"keystore": store, "cache": UNCACHED}) as server, server.client() as client:
            patient = Patient(client, figures)
            for operation in OPERATIONS:
                key = patient.prepare(operation)
                fill(disk / "filler")
                where = f"full tmpfs ({options})"
                status = patient.attempt(operation, key, where)
                if OPERATIONS[operation][0] != OPERATIONS[operation][2] and status == 200:
                    figures.findings.append(f"{where}: {operation} is answered 200: was the disk full?")
                shutil.rmtree(disk / "filler")
                patient.check(operation, key, status, where)
            _check_server(server, figures)


def fill_bytes(folder: Path) -> None:
    folder.mkdir()
    with suppress(OSError), (folder / "file").open("wb", buffering=0) as file:
        while file.write(b"\0" * 512):
            pass


def fill_inodes(folder: Path) -> None:
    folder.mkdir()
    with suppress(OSError):
        for number in range(100_000):
            (folder / str(number)).touch()


def _check_server(server: KeyServer, figures: Figures) -> None:
    server.check_alive()
    for sign in ("Traceback", "panicked"):
        if sign in server.stderr:
            figures.findings.append(f"the server's log: {server.stderr[server.stderr.index(sign) - 500 :][:2500]}")


def _wait(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while not ready():
        assert time.monotonic() < deadline


def trial(operations: list[str] | None = None, deepest: int = DEEPEST) -> Figures:
    """`operations` limits the injected part."""
    figures = Figures()
    parts: list[Callable[[Path], None]] = [
        lambda folder: full(figures, folder, "size=256k", fill_bytes),
        lambda folder: full(figures, folder, "nr_inodes=60", fill_inodes),
        lambda folder: injected(figures, folder, operations or list(OPERATIONS), deepest),
    ]
    for part in parts:
        with tempfile.TemporaryDirectory() as name:
            try:
                part(Path(name))
            except CannotRun as error:
                figures.skipped.append(str(error))
    return figures


def main() -> None:
    begin = time.monotonic()
    figures = trial()
    print(f"{figures.text()}, {time.monotonic() - begin:.0f} s")
    print("\n".join([*(f"SKIPPED {text}" for text in figures.skipped), *(f"FINDING {f}" for f in figures.findings)]))
    raise SystemExit(bool(figures.findings))


if __name__ == "__main__":
    main()
