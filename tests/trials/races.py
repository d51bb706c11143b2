"""Trial: 1,000 requests for one name at once: creates, rotations, deletions against undeletions.

    python -m tests.trials.races [--full]

On one server, and on three that share a folder; and processes on the store itself. Of the creates one wins and all
servers agree on its key; no acknowledged rotation is lost; deletions and undeletions alternate.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from openkes.client import AnswerError
from tests.servers import KeyServer, make_identity, running
from tests.trials import races_store
from tests.trials.races_client import Call, Reply, at_once

CONTEXT = b"context"
#: Servers that share a store see each other's changes when a key's time in memory is over.
SHORT = {"expiry": {"any": "0s", "unused": "0s"}}


class Race:
    """`text` and `findings` grow with each of the three races."""

    def __init__(self, servers: list[KeyServer], requests: int) -> None:
        self._servers, self._requests = servers, requests
        self._clients = [server.client() for server in servers]
        self.text: list[str] = []
        self.findings: list[str] = []

    def run(self) -> None:
        for race in (self.create, self.rotate, self.delete):
            race()
        for client in self._clients:
            client.__exit__()

    def create(self) -> None:
        replies = self._race("create", [Call("PUT", "/v1/key/create/created")])
        won = [reply for reply in replies if reply.status == 200]
        others = {(reply.status, reply.body.get("message")) for reply in replies} - {(200, None)}
        if len(won) != 1 or others - {(400, "key already exists")}:
            self.findings.append(f"create: {len(won)} winners, others: {others}")
        self._agree("created", [client.generate("created", CONTEXT) for client in self._clients])

    def rotate(self) -> None:
        first = self._clients[0]
        first.create_key("rotated")
        pairs = [first.generate("rotated", CONTEXT)]
        replies = self._race("rotate", [Call("PUT", "/v1/key/rotate/rotated")])
        won = sorted(reply.body["version"] for reply in replies if reply.status == 200)
        others = {reply.status for reply in replies} - {200, 409}
        if others or not won or won != list(range(2, len(won) + 2)):
            self.findings.append(f"rotate: versions {won}, other answers: {others}")
        found = {client.describe_key("rotated")["version"] for client in self._clients}
        if found != {won[-1]}:
            self.findings.append(f"rotate: the servers know versions {found}, acknowledged are {won[-1]}")
        self._agree("rotated", [*pairs, *(client.generate("rotated", CONTEXT) for client in self._clients)])

    def delete(self) -> None:
        first = self._clients[0]
        first.create_key("deleted")
        pair = first.generate("deleted", CONTEXT)
        calls = [Call("DELETE", "/v1/key/delete/deleted"), Call("PUT", "/v1/key/undelete/deleted")]
        replies = self._race("delete and undelete", calls)
        done = Counter(reply.call.method for reply in replies if reply.status == 200)
        others = {reply.status for reply in replies} - {200, 404, 409}
        gone = done["DELETE"] - done["PUT"]
        if others or gone not in (0, 1) or not done["DELETE"]:
            self.findings.append(f"delete: {done}, other answers: {others}")
        for client in self._clients:
            try:
                client.describe_key("deleted")
                there = True
            except AnswerError as error:
                there = error.status != 404
            if there != (gone == 0):
                self.findings.append(f"delete: {done}, and a server says {there=}")
        if gone:
            first.undelete_key("deleted")
        self._agree("deleted", [pair])

    def _race(self, what: str, calls: list[Call]) -> list[Reply]:
        many = (calls * self._requests)[: self._requests]
        replies = at_once(self._servers, self._servers[0].admin, many)
        answers = ", ".join(f"{count} {status}" for status, count in sorted(Counter(r.status for r in replies).items()))
        self.text.append(f"{what}: {answers}")
        return replies

    def _agree(self, name: str, pairs: list[tuple[bytes, bytes]]) -> None:
        """Every server opens every ciphertext."""
        for client in self._clients:
            for plaintext, ciphertext in pairs:
                try:
                    opened = client.decrypt(name, ciphertext, CONTEXT)
                except AnswerError as error:
                    self.findings.append(f"{name}: {error.status} {error.message}")
                    continue
                if opened != plaintext:
                    self.findings.append(f"{name}: opens to something else")


@contextmanager
def servers(number: int) -> Iterator[list[KeyServer]]:
    """That share an admin, and a folder for their keys."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        shared = Path(name)
        admin = make_identity(shared, "root")
        started = []
        for i in range(number):
            folder = shared / str(i)
            folder.mkdir()
            for file in (admin.key, admin.cert):
                (folder / file.name).write_bytes(file.read_bytes())
            config = {"keystore": {"fs": {"path": str(shared / "keys")}}, "cache": SHORT}
            started.append(stack.enter_context(running(folder, config)))
        yield started


def trial(requests: int, processes: int, names: int, counts: int) -> tuple[list[str], list[str]]:
    """Figures as text, and findings."""
    text, findings = [], []
    for number in (1, 3):
        with servers(number) as some:
            race = Race(some, requests)
            race.run()
        text += [f"{number} server{'s' if number > 1 else ''}, {line}" for line in race.text]
        findings += [f"{number} servers, {finding}" for finding in race.findings]
    with tempfile.TemporaryDirectory() as name:
        line, found = races_store.trial(Path(name) / "keys", processes, names, counts)
    return [*text, f"store: {line}"], findings + found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.trials.races")
    parser.add_argument("--full", action="store_true", help="1,000 requests a race; 8 processes")
    asked = parser.parse_args()
    begin = time.monotonic()
    text, findings = trial(1000, 8, 1000, 200) if asked.full else trial(100, 4, 100, 30)
    print("\n".join(text))
    print(f"{len(findings)} findings, {time.monotonic() - begin:.0f} s")
    print("\n".join(f"FINDING {finding}" for finding in findings))
    raise SystemExit(bool(findings))


if __name__ == "__main__":
    main()
