"""The pure-Python engine: for evaluation and for machines without the compiled one. HTTP/1.1 only."""

from __future__ import annotations

import atexit
import threading

from openkes.front import refusals
from openkes.front.answer import JSON
from openkes.front.pool import Pool
from openkes.front.report import report
from openkes.front.twin.context import make_context
from openkes.front.twin.server import Server
from openkes.front.types import Application, Headers, HotDoor, Limits, OnRefusal, Peer, Response, TLSFiles

_JOIN = 2.0  # seconds for a thread that has nothing left to do


class PythonFront:
    """See `openkes.front.Front`."""

    name = "python"

    def __init__(
        self,
        host: str,
        port: int,
        files: TLSFiles,
        hot: HotDoor,
        application: Application,
        refused: OnRefusal,
        limits: Limits,
    ) -> None:
        self._server = Server(host, port, make_context(files), limits, refused)
        self.address: tuple[str, int] = self._server.listen()
        self._stop = threading.Lock()
        self._stopped = False
        self._selecting = threading.Thread(target=self._server.run, name="kes-io", daemon=True)
        self._selecting.start()
        self._pool = Pool(self._server, both_doors(hot, application), limits)
        atexit.register(self.stop)

    def reload(self, files: TLSFiles) -> None:
        """See `openkes.front.Front`."""
        self._server.context = make_context(files)

    def stop(self) -> None:
        """See `openkes.front.Front`."""
        with self._stop:  # a second caller waits for the first
            if self._stopped:
                return
            self._server.finish()
            self._pool.drain()
            self._server.drain()
            self._server.leave()
            self._selecting.join(_JOIN)
            self._pool.join(_JOIN)
            self._stopped = True
        atexit.unregister(self.stop)


def both_doors(hot: HotDoor, application: Application) -> Application:
    """The hot door first, one call at a time as its contract says; the application for what it passes on."""
    alone = threading.Lock()

    def answer(
        method: str, target: str, headers: Headers, peer: Peer, declared_length: int | None, body: bytes
    ) -> Response:
        try:
            with alone:
                found = hot(method, target, peer, declared_length, body)
        except BaseException as error:
            report("hot", method, target, error)
            found = 500, refusals.body(500)
        if found is None:
            return application(method, target, headers, peer, declared_length, body)
        return found[0], list(JSON) if found[1] else [], [found[1]]

    return answer
