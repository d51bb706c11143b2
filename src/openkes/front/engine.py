"""The compiled engine, `openkes_engine`: its threads, its start and its end. All else is in Rust."""

from __future__ import annotations

import atexit
import errno
import sys
import threading

import openkes_engine  # type: ignore[import-not-found, import-untyped, unused-ignore]

from openkes.front.pool import Pool
from openkes.front.report import report
from openkes.front.tls import check
from openkes.front.types import Application, HotDoor, Limits, OnRefusal, Peer, TLSFiles, TLSFilesError

# An I/O thread waits for the interpreter at most this long behind an application thread that computes. Python's own
# value, 5 ms, would be many times a whole call.
_SWITCH = 0.0005
_JOIN = 2.0  # seconds for a thread whose queue is closed; one that hangs in the application is left behind


class EngineFront:
    """See `openkes.front.Front`."""

    name = "engine"

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
        check(files)
        try:
            self._server = openkes_engine.Server(
                host=host,
                port=port,
                chain=files.chain,
                key=files.key,
                client_ca=files.client_ca,
                limits=limits,
                hot=hot,
                make_peer=Peer,
                refused=refused,
                report=report,
            )
        except ValueError as error:
            raise TLSFilesError(str(error)) from None
        except OSError as error:
            if error.errno is None:  # a name that cannot be resolved
                raise OSError(errno.EADDRNOTAVAIL, str(error)) from None
            raise
        self.address: tuple[str, int] = self._server.address
        self._stop = threading.Lock()
        self._stopped = False
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH))
        self._io = [
            threading.Thread(target=self._server.run_io, name=f"kes-io-{number}", daemon=True)
            for number in range(self._server.io_threads)
        ]
        for thread in self._io:
            thread.start()
        self._pool = Pool(self._server, application, limits)
        # Threads that wait inside the engine must not be there any more when the interpreter goes.
        atexit.register(self.stop)

    def reload(self, files: TLSFiles) -> None:
        """See `openkes.front.Front`."""
        check(files)
        try:
            self._server.reload(chain=files.chain, key=files.key, client_ca=files.client_ca)
        except ValueError as error:
            raise TLSFilesError(str(error)) from None

    def stop(self) -> None:
        """See `openkes.front.Front`."""
        with self._stop:  # a second caller waits for the first
            if self._stopped:
                return
            self._server.finish()
            self._pool.drain()
            self._server.drain()
            self._server.end()
            for thread in self._io:
                thread.join(_JOIN)
            self._server.close()
            self._pool.join(_JOIN)
            self._stopped = True
        atexit.unregister(self.stop)
