"""The ceiling: the front alone, with a hot door that answers a constant. No application can be faster than this.

    python -m tests.bench.ceiling FOLDER     serves until SIGTERM; prints its port

FOLDER holds server.key, server.cert, and answer.json: what the key server once answered.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from openkes import front
from tests.bench.target import Target
from tests.servers import KeyServer, clean_environment
from tests.trials.caller import Caller

LABEL = "ceiling: a constant"
STOP_SECONDS = 30.0


@contextmanager
def constant(server: KeyServer, model: Target) -> Iterator[Target]:
    """A front with the TLS files and an answer of `server`, whose client `model` has."""
    answer = server.folder / "answer.json"
    with Caller(server) as caller:
        answer.touch(mode=0o600)
        answer.write_bytes(caller.generate(model.key_name, b"context").body)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.ceiling", str(server.folder)],
        stdout=subprocess.PIPE,
        env=clean_environment(),
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, f"the ceiling's front exited with {process.wait()}"
        yield replace(model, label=LABEL, endpoint=f"https://127.0.0.1:{port}", pid=process.pid, constant=True)
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)
        if process.stdout is not None:
            process.stdout.close()


def serve(folder: Path) -> None:
    generate = (folder / "answer.json").read_bytes()
    decrypt = json.dumps({"plaintext": json.loads(generate)["plaintext"]}, separators=(",", ":")).encode()
    answers = {"/v1/key/generate/": (200, generate), "/v1/key/decrypt/": (200, decrypt)}

    def hot(
        method: str, path: str, peer: front.Peer, declared_length: int | None, body: bytes
    ) -> tuple[int, bytes] | None:
        return answers.get(path[: path.rindex("/") + 1])

    def application(
        method: str,
        target: str,
        headers: front.Headers,
        peer: front.Peer,
        declared_length: int | None,
        body: bytes,
    ) -> front.Response:
        return 404, [], [b""]

    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    files = front.TLSFiles((folder / "server.cert").read_bytes(), (folder / "server.key").read_bytes())
    engine = {"engine": True, "python": False}.get(clean_environment().get("OPENKES_ENGINE", ""))
    running = front.start("127.0.0.1", 0, files, hot, application, engine=engine)
    print(running.address[1], flush=True)
    ended.wait()
    running.stop()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
