"""Start, command line and memory at rest of a server: what does not depend on load.

start    from the beginning of the process to the first answer
create   `kes key create`, the whole command
rss      resident memory after a key was made and used, with nothing going on
"""

from __future__ import annotations

import http.client
import resource
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import table
from tests.bench.figures import spread
from tests.bench.servers import KEY, ON, openkes
from tests.bench.target import cpu_seconds, resident
from tests.servers import KES, KeyServer, clean_environment

START_SECONDS = 60.0
POLL_SECONDS = 0.002  # what a start is measured to


@dataclass(slots=True)
class Life:
    """Seconds and bytes, one of each a run. `…_cpu`: of the processor, which a busy machine changes little."""

    start: list[float] = field(default_factory=list)
    start_cpu: list[float] = field(default_factory=list)
    create: list[float] = field(default_factory=list)
    create_cpu: list[float] = field(default_factory=list)
    rss: list[float] = field(default_factory=list)

    def text(self) -> list[str]:
        def row(what: str, wall: Sequence[float], cpu: Sequence[float] = ()) -> list[str]:
            return [what, table.whole(spread(wall)), table.whole(spread(cpu))]

        rows = [
            row("start to first answer, s", self.start, self.start_cpu),
            row("kes key create, s", self.create, self.create_cpu),
            row("memory at rest, MiB", [size / 2**20 for size in self.rss]),
        ]
        return table.lines(("", "median (lowest–highest)", "processor"), rows)


def measured(folder: Path, runs: int) -> Life:
    """AssertionError when something does not work."""
    life = Life()
    with openkes(ON, folder) as (server, _):
        pass  # makes identities, configuration and key; the runs find everything there
    for number in range(runs):
        _run(server, life, f"life-{number}")
    return life


def command() -> list[str]:
    """`kes` as operators call it, where it is installed."""
    script = Path(sys.executable).with_name("kes")
    return [str(script)] if script.exists() else KES


def _run(server: KeyServer, life: Life, name: str) -> None:
    arguments = [*command(), "server", "--config", str(server.folder / "config.yml")]
    with (server.folder / "life.log").open("wb") as log:
        begin = time.perf_counter()
        process = subprocess.Popen(
            arguments, cwd=server.folder, env=clean_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            _first_answer(server, process, begin + START_SECONDS)
            life.start.append(time.perf_counter() - begin)
            life.start_cpu.append(cpu_seconds(process.pid))
            _create(server, life, name)
            with server.client() as client:
                client.generate(KEY, b"context")
            life.rss.append(resident(process.pid))
        finally:
            process.terminate()
            process.wait()


def _first_answer(server: KeyServer, process: subprocess.Popen[bytes], deadline: float) -> None:
    context = ssl.create_default_context(cafile=str(server.tls.cert))
    context.load_cert_chain(server.admin.cert, server.admin.key)
    while True:
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=START_SECONDS)
        try:
            connection.request("GET", "/version")
            assert connection.getresponse().status == 200
        except OSError:
            assert process.poll() is None, (server.folder / "life.log").read_text()
            assert time.perf_counter() < deadline, "the server does not answer"
            time.sleep(POLL_SECONDS)
        else:
            return
        finally:
            connection.close()


def _create(server: KeyServer, life: Life, name: str) -> None:
    before, begin = _children_cpu(), time.perf_counter()
    done = subprocess.run(
        [*command(), "key", "create", name],
        env={**clean_environment(), **server.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    life.create.append(time.perf_counter() - begin)
    life.create_cpu.append(_children_cpu() - before)
    assert done.returncode == 0, done.stderr


def _children_cpu() -> float:
    """Seconds of processor time of the processes that ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
