"""Clients of MinIO that write an object and read it at another node, over and over, as S3 clients do: what fails with a
5xx is tried again, three times in all.

Counts both: calls that failed at first, and calls that failed for good.
"""

from __future__ import annotations

import secrets
import threading
import time
import urllib.error
import urllib.request
from collections import Counter

TRIES = 3  # as the AWS SDKs do by default
TIMEOUT = 20.0  # seconds a call may take
WITHIN = 120.0  # seconds
PACE = 0.1  # seconds from one object to the next: the playbooks that run meanwhile need the machine, too


class Load:
    """One client a node; `urls` of the nodes."""

    def __init__(self, urls: list[str]) -> None:
        self._urls = urls
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.first: list[str] = []
        self._threads = [threading.Thread(target=self._client, args=(number,)) for number in range(len(urls))]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def until_more(self, number: int) -> None:
        """Wait until that many more objects were written and read; AssertionError when they are not."""
        wanted = self.counts["read"] + number
        deadline = time.monotonic() + WITHIN
        while self.counts["read"] < wanted:
            assert time.monotonic() < deadline, f"only {self.text()}"
            self._stop.wait(0.05)

    def text(self) -> str:
        return (
            f"{self.counts['written']:,} written, {self.counts['read']:,} read;"
            f" {len(self.first)} calls failed at first, {len(self.failures)} for good"
        )

    def _client(self, number: int) -> None:
        here, there = self._urls[number], self._urls[(number + 1) % len(self._urls)]
        names = 0
        while not self._stop.wait(PACE):
            content = secrets.token_bytes(64)
            path = f"/load/{number}-{names}"
            names += 1
            if self._call("PUT", here + path, content) is None:
                continue
            self._count("written")
            found = self._call("GET", there + path)
            if found is None:
                continue
            if found != content:
                self._fail(f"{there}{path}: another content was read than was written")
            self._count("read")

    def _call(self, method: str, url: str, content: bytes | None = None) -> bytes | None:
        """None when it failed for good."""
        why = ""
        for tried in range(TRIES):
            try:
                request = urllib.request.Request(url, method=method, data=content)
                with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                    return bytes(answer.read())
            except urllib.error.HTTPError as error:
                why = f"{method} {url}: {error.code} {error.read()[:200]!r}"
            except OSError as error:
                why = f"{method} {url}: {error}"
            if not tried:
                with self._lock:
                    self.first.append(why)
        self._fail(why)
        return None

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def _fail(self, why: str) -> None:
        with self._lock:
            self.failures.append(why)
