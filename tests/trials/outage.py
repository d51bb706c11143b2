"""Trial: the key store is away, killed or hanging, while clients go on and MinIO restarts.

    python -m tests.trials.outage [--full] [--seconds S] [--engine engine|python] [--store etcd|postgres|openbao]

A key server on a real store. Clients generate and decrypt with keys that are in memory; the nodes of a stand-in for
MinIO are all stopped and started while the store is away. Every such call must be answered, `/v1/ready` must say
504, and everything must be as before within 10 s after the store is back, without a hand. A store that this machine
does not have is left out, and so is the part of MinIO without Go.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from openkes import front
from openkes.client import AnswerError
from tests.sdk import deployment, programs
from tests.servers import KeyServer, running
from tests.trials.outage_load import Load, Ready, wait_for
from tests.trials.outage_stores import STORES, Store, Way, missing

KEYS = 8
MINIO_KEY = "minio"
CACHE = {"any": "3s", "unused": "3s", "offline": "2h"}  # every key expires again and again
WAYS = {
    "etcd": ("killed", "hanging"),
    "postgres": ("killed", "hanging"),
    "openbao": ("killed", "hanging", "sealed"),
}
BACK = 10.0  # seconds, the target
START = 60.0  # seconds that anything may take on a loaded machine


@dataclass(slots=True)
class Figures:
    """Of one outage. Times in seconds."""

    store: str
    way: str
    engine: str
    seconds: float
    calls: int = 0
    slowest: float = 0.0
    noticed: float = 0.0
    slowest_ready: float = 0.0
    minio: str = "left out: no Go here"
    back: float = 0.0
    findings: list[str] = field(default_factory=list)

    def text(self) -> str:
        return (
            f"{self.store} {self.way}, {self.engine}: away for {self.seconds:.0f} s; {self.calls:,} calls answered "
            f"meanwhile, the slowest in {self.slowest:.2f} s; ready says 504 after {self.noticed:.1f} s, every answer "
            f"of ready within {self.slowest_ready:.2f} s; MinIO {self.minio}; all as before {self.back:.1f} s after "
            "the store was back"
        )


def outage(name: str, way_name: str, seconds: float, engine: str, back_within: float = BACK) -> Figures:
    """One outage of so many seconds."""
    figures = Figures(name, way_name, engine, seconds)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store: Store = stack.enter_context(STORES[name](folder / "store"))
        way = store.ways[way_name]
        config = {"keystore": store.settings, "cache": {"expiry": CACHE}}
        server = stack.enter_context(running(folder, config, environment={"OPENKES_ENGINE": engine}))
        names = [f"key-{i}" for i in range(KEYS)]
        with server.client() as admin:
            for key in [*names, MINIO_KEY]:
                admin.create_key(key)
        minio = stack.enter_context(_minio(server, folder))
        load = stack.enter_context(Load(server, names).running())
        ready = stack.enter_context(Ready(server).running())
        wait_for(lambda: load.calls > 200 and ready.last == 200, START, "the clients do not get going")
        _away(figures, way, server, load, ready, minio)
        _back(figures, way, server, ready, back_within)
        figures.slowest_ready = ready.slowest
        figures.findings += [*load.failures, *ready.failures]
        if "Traceback" in server.stderr:
            figures.findings.append(server.stderr[-4000:])
    return figures


def _away(figures: Figures, way: Way, server: KeyServer, load: Load, ready: Ready, minio: Minio | None) -> None:
    calls = load.reset()
    way.begin()
    figures.noticed = wait_for(lambda: ready.last == 504, START, "ready does not say 504")
    until = time.monotonic() + figures.seconds - figures.noticed
    with server.client() as client:
        if not client.status().get("keystore_unreachable"):
            figures.findings.append("status does not say that the key store is unreachable")
        for call in (lambda: client.describe_key("not-in-memory"), lambda: client.create_key("new")):
            if (status := _status(call)) != 502:
                figures.findings.append(f"a call that needs the store was answered {status} while it is away")
    if minio is not None:
        figures.minio = f"started in {minio.restart():.1f} s, read {minio.check()} old objects and wrote new ones"
    wait_for(lambda: time.monotonic() >= until, figures.seconds + START, "")
    if ready.last != 504:
        figures.findings.append(f"ready says {ready.last} while the store is away")
    figures.calls, figures.slowest = load.calls - calls, load.slowest


def _back(figures: Figures, way: Way, server: KeyServer, ready: Ready, back_within: float) -> None:
    way.end()
    with server.client() as client:
        figures.back = wait_for(
            lambda: ready.last == 200 and _status(lambda: client.create_key("after")) in (200, 400), START, "not back"
        )
        client.generate("after")
        client.rotate_key("after")
    if figures.back > back_within:
        figures.findings.append(f"back after {figures.back:.1f} s only")


def _status(call: Callable[[], object]) -> int:
    try:
        call()
    except AnswerError as error:
        return error.status
    return 200


class Minio:
    """Four nodes of the stand-in, with objects."""

    def __init__(self, nodes: list[deployment.Node], environment: dict[str, str]) -> None:
        self._nodes = nodes
        self._environment = environment
        self._objects = 0
        self._start()
        self._write()

    def restart(self) -> float:
        """All at once, as MinIO wants it; the seconds until all are well. AssertionError."""
        for node in self._nodes:
            node.stop()
        begin = time.monotonic()
        self._start()
        return time.monotonic() - begin

    def check(self) -> int:
        """Read all objects on every node, and write more; how many were read. AssertionError."""
        for node in self._nodes:
            for number in range(self._objects):
                found = node.ask(f"/bucket/object-{number}")
                assert found == (200, f"content {number}".encode()), (found, node.log)
        read = self._objects
        self._write()
        return read

    def _start(self) -> None:
        for node in self._nodes:
            node.start(self._environment)
        for node in self._nodes:
            node.wait_for("/minio/health/cluster", 200)

    def _write(self) -> None:
        for node in self._nodes:
            answer = node.ask(f"/bucket/object-{self._objects}", "PUT", f"content {self._objects}".encode())
            assert answer[0] == 200, (answer, node.log)
            self._objects += 1


@contextmanager
def _minio(server: KeyServer, folder: Path) -> Iterator[Minio | None]:
    """None where the stand-in cannot be built."""
    try:
        programs.go_command()
    except programs.NoGo:
        yield None
        return
    environment = {
        "MINIO_KMS_KES_ENDPOINT": server.url,
        "MINIO_KMS_KES_KEY_NAME": MINIO_KEY,
        "MINIO_KMS_KES_KEY_FILE": str(server.admin.key),
        "MINIO_KMS_KES_CERT_FILE": str(server.admin.cert),
        "MINIO_KMS_KES_CAPATH": str(server.tls.cert),
    }
    with deployment.nodes(deployment.build(folder), folder, 4) as made:
        yield Minio(made, environment)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.trials.outage")
    parser.add_argument("--full", action="store_true", help="ten minutes of each kind")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--engine", choices=["engine", "python"], default="engine" if front.have_engine() else "python")
    parser.add_argument("--store", choices=list(WAYS), help="this one only")
    asked = parser.parse_args()
    findings = []
    for store in [asked.store] if asked.store else WAYS:
        if why := missing(store):
            print(f"{store} is left out: {why}")
            continue
        for way in WAYS[store]:
            figures = outage(store, way, 600.0 if asked.full else asked.seconds, asked.engine)
            print(figures.text(), flush=True)
            findings += figures.findings
    print("\n".join(f"FINDING {finding}" for finding in findings) or "every call was answered")
    raise SystemExit(bool(findings))


if __name__ == "__main__":
    main()
