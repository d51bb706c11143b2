"""Processes that race on one folder through the store itself. Must not know a server.

As a program: `FOLDER NUMBER NAMES COUNTS`, waits for a line, then races; prints what it won as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from openkes.keystore import KeyExists
from openkes.keystore.fs import FileStore

COUNTER = "counter"


def race(store: FileStore, number: int, names: int, counts: int) -> dict[str, object]:
    """Create every name, each with a value of one's own; then add `counts` to a common counter."""
    own = str(number).encode()
    won, seen = [], {}
    for i in range(names):
        try:
            store.create(f"name-{i}", own)
            won.append(i)
        except KeyExists:
            pass
        seen[i] = store.get(f"name-{i}").decode()
    lost = 0
    for _ in range(counts):
        while True:
            old = store.get(COUNTER)
            try:
                store.replace(COUNTER, old, str(int(old) + 1).encode())
                break
            except KeyExists:
                lost += 1
    return {"won": won, "seen": seen, "lost": lost}


def trial(folder: Path, processes: int, names: int, counts: int) -> tuple[str, list[str]]:
    """Figures as text, and findings."""
    store = FileStore(folder)
    store.create(COUNTER, b"0")
    arguments = [str(names), str(counts)]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", __name__, str(folder), str(number), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    for process in running:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [json.loads(process.communicate(timeout=300)[0]) for process in running]
    findings = []
    for i in range(names):
        winners = [number for number, result in enumerate(results) if i in result["won"]]
        seen = {result["seen"][str(i)] for result in results} | {store.get(f"name-{i}").decode()}
        if len(winners) != 1 or seen != {str(winners[0])}:
            findings.append(f"name-{i}: won by {winners}, seen as {seen}")
    total = int(store.get(COUNTER))
    if total != processes * counts:
        findings.append(f"counter: {total} after {processes * counts} acknowledged additions")
    left = [file.name for file in folder.iterdir() if file.name.startswith(".tmp-")]
    if left:
        findings.append(f"left behind: {left}")
    lost = sum(result["lost"] for result in results)
    shares = ", ".join(str(len(result["won"])) for result in results)
    return (
        f"{names} names created by {processes} processes each (won: {shares}); {total} additions, {lost} tried again"
    ), findings


def main() -> None:
    folder, number, names, counts = sys.argv[1:]
    store = FileStore(Path(folder))
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(race(store, int(number), int(names), int(counts))))


if __name__ == "__main__":
    main()
