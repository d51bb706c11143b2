"""Trial: calls while the audit disk is full again and again, with `audit.mode: required`.

    python -m tests.trials.audit_disk [--full]

Four clients call key routes through both doors. When the disk is full, the log is rotated after a while, as an operator
would, under load. Answers with 200 must never outnumber the audit lines with 200, the chain must hold over all files
with no torn line, and no log may hold a secret. As root the disk is a tmpfs of 1 MiB, else a limit on the file's size.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import tempfile
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from openkes.server.audit.verify import verify
from tests.servers import KeyServer, running
from tests.trials.caller import Answer, Caller

CLIENTS = 4
REFUSALS = 300  # before somebody makes room
RELOAD_SECONDS = 30.0
SAMPLES = 200  # data keys and ciphertexts looked for in the logs
PLAINTEXT = os.urandom(8).hex().encode() + b"-marked-plaintext"
CONTEXT = os.urandom(8).hex().encode() + b"-marked-context"


@dataclass(slots=True)
class Figures:
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)  # path's route, status
    recorded: Counter[tuple[str, int]] = field(default_factory=Counter)
    fills: int = 0
    lost: int = 0
    findings: list[str] = field(default_factory=list)

    def with_status(self, status: int, counted: Counter[tuple[str, int]]) -> int:
        return sum(count for (_, code), count in counted.items() if code == status)

    def text(self) -> str:
        calls = self.answers.total()
        good, written = self.with_status(200, self.answers), self.with_status(200, self.recorded)
        refused = self.with_status(503, self.answers)
        return (
            f"{calls:,} calls, disk full {self.fills} times: {good:,} answers with 200, {written:,} lines with 200, "
            f"{refused:,} refused, {len(self.findings)} findings"
        )


class Clients:
    """Threads that call until `calls` are done. What they saw is complete after `join`."""

    def __init__(self, server: KeyServer, calls: int, sealed: bytes) -> None:
        self._server, self._sealed = server, sealed
        self._lock = threading.Lock()
        self._left = calls
        self.answers: Counter[tuple[str, int]] = Counter()
        self.refusals = 0  # since somebody made room
        self.samples: list[bytes] = []
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        try:
            with Caller(self._server) as caller:
                i = 0
                while self._take():
                    i += 1
                    route, answer = self._call(caller, number, i)
                    self._saw(route, answer)
        except Exception as error:
            self.failures.append(f"client {number}: {error!r}")

    def _take(self) -> bool:
        with self._lock:
            self._left -= 1
            return self._left >= 0

    def _call(self, caller: Caller, number: int, i: int) -> tuple[str, Answer]:
        if i % 50 == 0:
            return "create", caller.call("PUT", f"/v1/key/create/k-{number}-{i}")
        if i % 7 == 0:
            return "encrypt", caller.call("PUT", "/v1/key/encrypt/my-key", {"plaintext": PLAINTEXT, "context": CONTEXT})
        if i % 3 == 0:
            return "generate", caller.generate("my-key", CONTEXT)
        return "decrypt", caller.decrypt("my-key", self._sealed, CONTEXT)

    def _saw(self, route: str, answer: Answer) -> None:
        with self._lock:
            self.answers[route, answer.status] += 1
            self.refusals += answer.status == 503
            if route == "generate" and answer.status == 200 and len(self.samples) < SAMPLES:
                self.samples += [answer.field("plaintext"), answer.field("ciphertext")]

    @property
    def running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def made_room(self) -> None:
        with self._lock:
            self.refusals = 0

    def join(self) -> None:
        for thread in self._threads:
            thread.join()


def trial(folder: Path, calls: int, small: bool = False) -> Figures:
    """`small`: a limit on the file's size instead of a mounted disk."""
    disk, archive = folder / "disk", folder / "archive"
    disk.mkdir()
    archive.mkdir()
    figures = Figures()
    size = 64 * 1024 if small else 1024 * 1024
    config = {"audit": {"file": str(disk / "audit"), "mode": "required"}, "keys": [{"name": "my-key"}]}
    with nullcontext() if small else mounted(disk, size), running(folder, config) as server:
        with Caller(server) as caller:
            sealed = caller.generate("my-key", CONTEXT).field("ciphertext")
        figures.answers["generate", 200] += 1
        if small:
            hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, hard))
        clients = Clients(server, calls - 1, sealed)
        while clients.running:
            if clients.refusals >= REFUSALS:
                figures.fills += 1
                rotate(server, disk / "audit", archive / f"audit.{figures.fills:06}")
                clients.made_room()
            time.sleep(0.01)  # no answer is waited for: this is the operator's watch
        clients.join()
        figures.answers += clients.answers
        figures.findings += clients.failures
        server.stop()
        shutil.copy(disk / "audit", archive / "audit.999999")
    judge(figures, sorted(archive.iterdir()), server, [PLAINTEXT, CONTEXT, sealed, *clients.samples])
    return figures


def rotate(server: KeyServer, file: Path, to: Path) -> None:
    """As logrotate does it; the room is there once the old file is away."""
    old = file.with_suffix(".old")
    file.rename(old)
    server.reload()
    deadline = time.monotonic() + RELOAD_SECONDS
    while not file.exists():
        server.check_alive(0.02)
        assert time.monotonic() < deadline, server.stderr
    # The server may still be in the middle of a line to the old file; it has no room, so nothing is added.
    shutil.copy(old, to)
    size = to.stat().st_size
    assert old.stat().st_size == size, "a line went to the rotated file"
    old.unlink()


@contextmanager
def mounted(folder: Path, size: int) -> Iterator[None]:
    """A disk of its own; root only."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "openkes-trial", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def judge(figures: Figures, files: list[Path], server: KeyServer, secrets: list[bytes]) -> None:
    """Compares what clients saw with what is written."""
    report = verify(files)
    figures.findings += report.findings
    figures.lost = report.lost
    logs = [file.read_bytes() for file in files]
    for line in b"".join(logs).splitlines():
        document = msgspec.json.decode(line)
        parts = document["request"]["path"].split("/")
        if parts[:3] == ["", "v1", "key"]:
            figures.recorded[parts[3], document["response"]["code"]] += 1
    for (route, status), count in figures.answers.items():
        if status == 200 and count > figures.recorded[route, 200]:
            figures.findings.append(f"{route}: {count} answers with 200, {figures.recorded[route, 200]} lines")
        if status not in (200, 503):
            figures.findings.append(f"{route}: {count} answers with {status}")
    everything = b"".join([*logs, server.stderr.encode(), server.stdout.encode()])
    for secret in secrets:
        forms = {secret, secret.hex().encode(), *(b64encode(b"x" * i + secret)[4:-4] for i in range(3))}
        figures.findings += [f"a secret of {len(secret)} bytes is in a log" for form in forms if form in everything]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.trials.audit_disk")
    parser.add_argument("--full", action="store_true", help="100,000 calls instead of 5,000")
    parser.add_argument("--limit", action="store_true", help="a limit on the file's size though root may mount a disk")
    options = parser.parse_args()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        figures = trial(Path(folder), 100_000 if options.full else 5_000, small=options.limit or os.geteuid() != 0)
    print(figures.text())
    for finding in figures.findings[:20]:
        print(f"  {finding}")
    print(f"{time.monotonic() - begin:.0f} s")
    raise SystemExit(bool(figures.findings))


if __name__ == "__main__":
    main()
