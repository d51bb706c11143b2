"""A real PostgreSQL in a folder of its own: restarted, killed, paused, over TLS, with a standby."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from openkes.keystore.postgres.target import Host, Table, Target
from tests.keystore.etcd_server import wait_for
from tests.servers import free_port

_FOUND = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
BIN = _FOUND[-1].parent if _FOUND else Path(shutil.which("postgres") or "/none/postgres").parent
needs_postgres = pytest.mark.skipif(not (BIN / "initdb").exists(), reason="no PostgreSQL: apt-get install postgresql")
TABLE = Table("openkes", "keys")
DATABASE = "openkes"
#: It refuses to run as root.
_OWNER = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
_HBA = """\
local all,replication {owner} trust
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
"""


@dataclass(slots=True)
class Server:
    """`folder` holds the data in `data`, and the log; the socket is in it, too. `settings` hold for every start."""

    folder: Path
    port: int
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> Host:
        return Host("127.0.0.1", self.port)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def target(self, password: str, user: str = "kes") -> Target:
        return Target((self.host,), DATABASE, user, lambda: password)

    def initialise(self) -> None:
        data = self.folder / "data"
        run("cp", "-a", str(_empty()), str(data))
        (data / "pg_hba.conf").write_text(_HBA.format(owner=_OWNER))

    def start(self) -> None:
        """Returns when it answers."""
        said = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.folder), **self.settings}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(str(BIN / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)),
                    *(part for name, value in said.items() for part in ("-c", f"{name}={value}")),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **_as_owner(),
            )
        wait_for(self.answers, "PostgreSQL does not start")

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        with contextlib.suppress(AssertionError):
            self.sql("SELECT 1", "postgres")
            return True
        return False

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: connections are ended; SIGQUIT: as in a crash."""
        assert self.process is not None
        self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            # It can miss a connection that comes at this very moment, and waits a minute for it.
            self.destroy()

    def destroy(self) -> None:
        """Whatever state it is in."""
        if self.process is not None and self.process.poll() is None:
            self.signal_all(signal.SIGKILL)
            self.process.wait()

    def signal_all(self, number: signal.Signals) -> None:
        """To the server and to every process of its connections."""
        assert self.process is not None
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, number)

    def sql(self, script: str, database: str = DATABASE, folder: Path | None = None) -> str:
        """By `psql` as the superuser; what it prints. AssertionError."""
        command = ["psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder)]
        return run(*command, "-p", str(self.port), "-U", _OWNER, "-d", database, text=script, folder=folder)

    def environment(self) -> dict[str, str]:
        """For PostgreSQL's own programs."""
        return {"PGHOST": str(self.folder), "PGPORT": str(self.port), "PGUSER": _OWNER}


def _as_owner() -> dict[str, object]:
    return {"user": _OWNER, "group": pwd.getpwnam(_OWNER).pw_gid, "extra_groups": []} if os.getuid() == 0 else {}


def run(program: str, *arguments: str, text: str = "", folder: Path | None = None, **environment: str) -> str:
    """One of PostgreSQL's programs, as the owner of its files. AssertionError with what it said."""
    path = BIN / program
    done = subprocess.run(
        [str(path if path.exists() else shutil.which(program)), *arguments],
        check=False,
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder or "/",
        env={"PATH": f"{BIN}:{os.environ['PATH']}", "LC_ALL": "C", **environment},
        **_as_owner(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def owned_folder() -> Iterator[Path]:
    """One that the owner of the server may enter; what pytest makes is root's alone. Short, for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="openkes-pg-"))
    try:
        if os.getuid() == 0:
            shutil.chown(folder, _OWNER, pwd.getpwnam(_OWNER).pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def _empty() -> Path:
    """A fresh data folder, made once for all: it takes a few seconds."""
    folder = owned_folder()
    data = folder.__enter__() / "data"
    atexit.register(folder.__exit__, None, None, None)
    run("initdb", "-D", str(data), "-U", _OWNER, "--no-sync", "--wal-segsize=1", "-E", "UTF8", "--locale", "C")
    return data


@contextmanager
def serving(settings: dict[str, str] | None = None, before: Callable[[Server], None] | None = None) -> Iterator[Server]:
    """As Debian's package leaves it. `before` the start."""
    with owned_folder() as folder:
        server = Server(folder, free_port(), settings or {})
        server.initialise()
        if before is not None:
            before(server)
        server.start()
        try:
            yield server
        finally:
            server.destroy()


@contextmanager
def running(settings: dict[str, str] | None = None, before: Callable[[Server], None] | None = None) -> Iterator[Server]:
    """With a database `openkes` and a role `kes` (password `secret`) that may make tables there."""
    with serving(settings, before) as server:
        server.sql("CREATE ROLE kes LOGIN PASSWORD 'secret'", "postgres")
        server.sql(f"CREATE DATABASE {DATABASE} OWNER kes", "postgres")
        yield server
