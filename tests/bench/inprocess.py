"""Where a call spends its time in Python: both doors in this process, no network, no TLS.

    python -m tests.bench.inprocess [--seconds 0.3] [--only hot] [--json]

CPU time of the whole process (the thread that writes audit lines included), the least of many short runs: a loaded
machine makes it slower to finish, and the figures a tenth higher. The parts are measured one by one. `--only turns`
is different: how long calls wait for the interpreter beside a busy Flask door, by the clock. For that the machine has
to be quiet, or the program to come first (`chrt -r 5 python -m …`, as root).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from openkes import api, names
from openkes.config.schema import Audit
from openkes.crypto import aead
from openkes.crypto.ciphertext import Cipher
from openkes.front.types import Peer
from openkes.front.wsgi import application_from_wsgi
from openkes.server import guard, wire
from openkes.server.audit import AuditLog, NoAuditLog, Record, new_id, now, origin, subject
from openkes.server.audit.chain import Chain
from openkes.server.audit.sinks import FileSink
from openkes.server.hot import create_door
from openkes.server.metrics import Metrics
from tests.contract.doors import Doors

KEY = "my-master-key"
#: What MinIO sends: the object as context, in JSON.
CONTEXT = b64encode(b'{"my-bucket":"my-bucket/some/folder/object-00001"}').decode()
BATCH = 1_000  # calls in one short run of the hot door: some 10 ms
FLASK_BATCH = 50
AUDITS = ("off", "best-effort", "required")

Call = Callable[[], object]


def least(call: Call, seconds: float, batch: int, settle: Call | None = None) -> float:
    """µs of CPU a call: the least of many runs of `batch` calls. `settle` finishes what they left to other threads."""
    best, end = float("inf"), time.monotonic() + seconds
    runs = 0
    while runs < 5 or time.monotonic() < end:
        begin = time.process_time()
        for _ in range(batch):
            call()
        if settle is not None:
            settle()
        best = min(best, time.process_time() - begin)
        runs += 1
    return best / batch * 1e6


class Bench:
    """One application with its admin and MinIO's identity; `audit` may be changed between runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.doors = Doors()
        self.state = self.doors.state
        self.peer = self.doors.peers["minio"]
        self.door = create_door(self.state)
        self.application = application_from_wsgi(self.doors.app.wsgi_app)
        self.state.keys.get(KEY)
        self.generate_body = json.dumps({"context": CONTEXT}).encode()
        made = self.hot("generate", self.generate_body)
        self.decrypt_body = json.dumps({"ciphertext": json.loads(made)["ciphertext"], "context": CONTEXT}).encode()
        assert "plaintext" in json.loads(self.hot("decrypt", self.decrypt_body))

    @contextmanager
    def audit(self, mode: str) -> Iterator[Call | None]:
        """Audit lines off, or in a file with a chain; yields what waits until all lines are written."""
        if mode == "off":
            log: AuditLog | NoAuditLog = NoAuditLog()
        else:
            file = self.folder / "audit.jsonl"
            log = AuditLog(Audit("file", file, required=mode == "required", chain=True))
        old, self.state.audit = self.state.audit, log
        try:
            yield log.flush if mode == "best-effort" else None
        finally:
            log.close()
            self.state.audit = old
            (self.folder / "audit.jsonl").unlink(missing_ok=True)

    def hot(self, operation: str, body: bytes) -> bytes:
        answer = self.door("PUT", f"/v1/key/{operation}/{KEY}", self.peer, len(body), body)
        assert answer is not None and answer[0] == 200, answer
        return answer[1]

    def hot_call(self, operation: str) -> Call:
        body = self.generate_body if operation == "generate" else self.decrypt_body
        door, path, peer, length = self.door, f"/v1/key/{operation}/{KEY}", self.peer, len(body)
        return lambda: door("PUT", path, peer, length, body)

    def flask_call(self, method: str, target: str, body: bytes = b"") -> Call:
        application, peer = self.application, Peer(self.peer.address, *_facts(self.doors.peers["admin"]))
        headers = [("host", "127.0.0.1:7373"), ("user-agent", "Go-http-client/2.0"), ("content-type", "")]

        def call() -> None:
            status, _, chunks = application(method, target, headers, peer, len(body), body)
            assert status == 200
            b"".join(chunks)

        return call


def _facts(peer: Peer) -> tuple[str, bytes | None, int]:
    return peer.identity, peer.certificate, peer.chain_length


def doors(bench: Bench, seconds: float) -> dict[str, float]:
    """Whole calls through the hot door."""
    rows = {}
    for operation in ("generate", "decrypt"):
        for mode in AUDITS:
            with bench.audit(mode) as settle:
                rows[f"{operation}, audit {mode}"] = least(bench.hot_call(operation), seconds, BATCH, settle)
    stream = bench.state.audit_lines.subscribe()
    reader = threading.Thread(target=lambda: deque(stream, maxlen=0))
    reader.start()
    with bench.audit("off"):
        rows["generate, audit off, a log stream"] = least(bench.hot_call("generate"), seconds, BATCH)
    stream.close()
    reader.join()
    return rows


def flask(bench: Bench, seconds: float) -> dict[str, float]:
    """Whole calls through the Flask door, the WSGI adapter included."""
    calls = {
        "generate": bench.flask_call("PUT", f"/v1/key/generate/{KEY}", bench.generate_body),
        "describe": bench.flask_call("GET", f"/v1/key/describe/{KEY}"),
        "status": bench.flask_call("GET", "/v1/status"),
        "metrics": bench.flask_call("GET", "/v1/metrics"),
    }
    with bench.audit("off"):
        return {name: least(call, seconds, FLASK_BATCH) for name, call in calls.items()}


def parts(bench: Bench, seconds: float) -> dict[str, float]:
    """The steps of one call, each alone."""
    settings, spec, path = bench.state.settings, api.BY_NAME["key_generate"], f"/v1/key/generate/{KEY}"
    peer, metrics, chain = bench.peer, Metrics(), Chain()
    secret, context, random = os.urandom(32), b64encode(CONTEXT.encode()), os.urandom(28)
    algorithm = aead.Algorithm.AES256
    plaintext = os.urandom(32)
    cipher = Cipher(algorithm, secret)
    sealed = cipher.encrypt(plaintext, context, random)
    subkey = cipher.data_key(random[:16])
    reply = wire.GenerateReply(plaintext, sealed)
    ticks = iter(range(now(), 2**63, 20_000))  # a new time each, most of them in the same second
    record = _record(peer, path, next(ticks))
    line = record.line()
    sink = FileSink(bench.folder / "parts.jsonl")

    def link() -> list[bytes]:
        linked = chain.link([line], 0, lambda: "")
        chain.advance(1)
        return linked

    linked = link()
    many = linked * 100
    steps: dict[str, Call] = {
        "nothing (the loop itself)": lambda: None,
        "is the name plain": lambda: names.is_valid(KEY),
        "key from memory": lambda: bench.state.keys.peek(KEY),
        "guard": lambda: guard.check(settings, spec, path, peer),
        "body in": lambda: wire.decode(wire.GenerateRequest, bench.generate_body),
        "60 random bytes": lambda: os.urandom(60),
        "crypto: data key (HMAC)": lambda: cipher.data_key(random[:16]),
        "crypto: AES-GCM": lambda: aead.encrypt(algorithm, subkey, random[16:], plaintext, context),
        "crypto: all of encrypt": lambda: cipher.encrypt(plaintext, context, random),
        "crypto: all of decrypt": lambda: cipher.decrypt(sealed, context),
        "body out": lambda: wire.encode(reply),
        "request id": new_id,
        "audit record": lambda: Record(next(ticks), record.id, record.origin, record.subject, 200, 0.0001),
        "audit record and line": lambda: Record(
            next(ticks), record.id, record.origin, record.subject, 200, 0.0001
        ).line(),
        "audit chain": link,
        "audit write, 1 line": lambda: sink.write(linked, 1.0),
        "metrics": lambda: metrics.observe("key_generate", 200, 0.0001),
    }
    rows = {name: least(call, seconds, BATCH) for name, call in steps.items()}
    rows["audit write, a 100th of 100 lines"] = least(lambda: sink.write(many, 1.0), seconds, 10) / 100
    sink.close()
    (bench.folder / "parts.jsonl").unlink()
    return rows


def _record(peer: Peer, path: str, when: int) -> Record:
    about = subject("PUT", path, peer.identity, "minio", KEY)
    return Record(when, "0123456789abcdef", origin(peer.address), about, 200, 0.0001)


#: Another process that makes calls, each a moment after the last answer, as a client one round trip away.
PINGER = """
import os, sys, time
call, answer = map(int, sys.argv[1:])
for line in sys.stdin:
    took = []
    for _ in range(int(line)):
        time.sleep(0.0002)
        begin = time.perf_counter()
        os.write(call, b"x")
        os.read(answer, 1)
        took.append(time.perf_counter() - begin)
    took.sort()
    print(took[len(took) // 2] * 1e6, took[len(took) * 99 // 100] * 1e6, flush=True)
"""
TURNS = (0.005, 0.0005, 0.0001, 0.00005, 0.00002)


class Pinger:
    """Calls that come one at a time to a thread of this process."""

    def __init__(self, call: Call) -> None:
        from_pinger, to_pinger = os.pipe(), os.pipe()
        passed = (from_pinger[1], to_pinger[0])
        self._process = subprocess.Popen(
            [sys.executable, "-c", PINGER, *map(str, passed)],
            pass_fds=passed,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        os.close(from_pinger[1])
        os.close(to_pinger[0])

        def serve() -> None:
            while os.read(from_pinger[0], 1):
                call()
                os.write(to_pinger[1], b"x")

        threading.Thread(target=serve, daemon=True).start()

    def measure(self, number: int) -> tuple[float, float]:
        """Median and 99th percentile in µs."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        median, high = self._process.stdout.readline().split()
        return float(median), float(high)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def turns(bench: Bench, seconds: float) -> dict[str, float]:
    """How long calls take beside a thread that lists 10,000 keys, or scrapes metrics, without a pause."""
    value = bench.doors.store.get(KEY)
    for number in range(10_000):
        bench.doors.store.create(f"many-{number:05d}", value)
    busy = {"list": bench.flask_call("GET", "/v1/key/list/"), "scrapes": bench.flask_call("GET", "/v1/metrics")}
    number = int(seconds * 1_000)
    rows = {}
    before = sys.getswitchinterval()
    gc.freeze()
    pinger = Pinger(bench.hot_call("generate"))
    with bench.audit("best-effort"):
        rows["alone, median"], rows["alone, 99th"] = pinger.measure(number)
        for name, call in busy.items():
            for turn in TURNS:
                sys.setswitchinterval(turn)
                with _repeated(call):
                    median, high = pinger.measure(number)
                rows[f"{name}, {turn * 1e3:g} ms, median"], rows[f"{name}, {turn * 1e3:g} ms, 99th"] = median, high
    sys.setswitchinterval(before)
    pinger.close()
    return rows


@contextmanager
def _repeated(call: Call) -> Iterator[None]:
    """A thread that calls all the time."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            call()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("cryptography", "msgspec", "Flask"))
    return f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}, {packages}"


MEASURES = {"hot": doors, "parts": parts, "flask": flask}
#: Not measured unless asked for.
MORE = {"turns": turns}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.inprocess", description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.3, help="for each row [default: 0.3]")
    parser.add_argument("--only", choices=MEASURES | MORE, action="append", help="repeat for several [default: all]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    gc.freeze()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for name in arguments.only or MEASURES:
            found[name] = (MEASURES | MORE)[name](bench, arguments.seconds)
    if arguments.json:
        json.dump({"machine": machine(), "microseconds": found}, sys.stdout, indent=1)
        return 0
    print(machine())
    for name, rows in found.items():
        print(f"\n{name:36} {'µs' if name in MORE else 'µs of CPU'}")
        for label, value in rows.items():
            print(f"{label:36} {value:9.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
