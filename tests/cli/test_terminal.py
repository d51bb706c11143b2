"""What only happens on a terminal: questions, passwords, Ctrl-C. And what must not happen: heavy imports."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import KES, KeyServer, clean_environment, running

SECONDS = 30.0


class Terminal:
    """`kes` with a terminal for its standard input, output and error."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.master, slave = pty.openpty()
        self.seen = ""
        self.screen = ""  # everything, from the beginning
        self.process = subprocess.Popen(
            [*KES, *arguments],
            cwd=folder,
            env={**clean_environment(), **environment},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  # for /dev/tty
        )
        os.close(slave)

    def expect(self, text: str) -> None:
        """Reads until `text` has come since the last call."""
        deadline = time.monotonic() + SECONDS
        while text not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} did not come: {self.seen!r}"
            assert self._read(), f"{text!r} did not come before the end: {self.seen!r}"
        self.seen = self.seen.partition(text)[2]

    def send(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> tuple[int, str]:
        """The exit code and what was still printed."""
        while self._read():
            pass
        code = self.process.wait(SECONDS)
        os.close(self.master)
        return code, self.seen

    def _read(self) -> bool:
        ready, _, _ = select.select([self.master], [], [], SECONDS)
        assert ready, f"nothing came within {SECONDS} s after {self.seen!r}"
        try:
            data = os.read(self.master, 4096)
        except OSError:  # EIO: the other end is closed
            return False
        self.seen += data.decode()
        self.screen += data.decode()
        return bool(data)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyServer]:
    with running(tmp_path_factory.mktemp("server")) as server:
        yield server


def test_new_password_is_asked_twice_and_not_shown(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "identity", "new", "--encrypt", "--key", "a.key", "--cert", "a.cert", "a")
    terminal.expect("Password: ")
    terminal.send("battery staple\n")
    terminal.expect("Repeat for confirmation: ")
    terminal.send("battery staple\n")
    code, rest = terminal.end()
    assert code == 0
    assert "battery" not in rest
    opens = ["openssl", "pkey", "-in", str(tmp_path / "a.key"), "-passin", "pass:battery staple", "-noout"]
    subprocess.run(opens, check=True)


def test_ctrl_c_at_the_password_ends_quietly_with_130(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "identity", "new", "--encrypt", "--key", "a.key", "--cert", "a.cert", "a")
    terminal.expect("Password: ")
    terminal.send("\x03")
    code, rest = terminal.end()
    assert (code, rest.replace("^C", "").strip()) == (130, "")
    assert list(tmp_path.iterdir()) == []


def test_end_of_input_at_the_password_is_an_error(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "identity", "new", "--encrypt", "--key", "a.key", "--cert", "a.cert", "a")
    terminal.expect("Password: ")
    terminal.send("\x04")
    code, rest = terminal.end()
    assert code == 1
    assert "kes: error: the input ended before the question was answered" in rest


def test_encrypted_client_key_asks_for_its_password(server: KeyServer, tmp_path: Path) -> None:
    locked = tmp_path / "locked.key"
    command = [
        "openssl",
        "pkcs8",
        "-topk8",
        "-in",
        str(server.admin.key),
        "-out",
        str(locked),
        "-passout",
        "pass:s3cret",
    ]
    subprocess.run(command, check=True)
    environment = {**server.environment(), "KES_CLIENT_KEY": str(locked)}
    terminal = Terminal(tmp_path, "key", "create", "asked", **environment)
    terminal.expect("Password of the private key: ")
    terminal.send("s3cret\n")
    code, rest = terminal.end()
    assert code == 0
    assert "created key asked" in rest
    assert "s3cret" not in rest


@pytest.mark.parametrize(("answer", "code", "stays"), [("n", 1, True), ("y", 0, False)])
def test_rm_asks_first(server: KeyServer, tmp_path: Path, answer: str, code: int, stays: bool) -> None:
    name = f"rm-{answer}"
    with server.client() as client:
        client.create_key(name)
        terminal = Terminal(tmp_path, "key", "rm", name, **server.environment())
        terminal.expect(f"Delete {name}?")
        terminal.send(answer + "\n")
        assert terminal.end()[0] == code
        assert (name in client.list_keys(name)[0]) is stays


def test_import_on_a_terminal_makes_a_random_key(server: KeyServer, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "key", "import", "made-here", **server.environment())
    code, rest = terminal.end()
    assert code == 0
    assert "made-here, made here at random" in rest


def test_ctrl_c_while_waiting_for_a_server_ends_quietly_with_130(server: KeyServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = {**server.environment(), "KES_SERVER": f"127.0.0.1:{silent.getsockname()[1]}"}
        command = subprocess.Popen(
            [*KES, "key", "ls"],
            cwd=tmp_path,
            env={**clean_environment(), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(1)  # its ClientHello: now it waits for the answer
            command.send_signal(signal.SIGINT)
            output, _ = command.communicate(timeout=SECONDS)
    assert (command.returncode, output.strip()) == (130, b"")


def test_a_reader_that_has_gone_is_no_traceback(server: KeyServer, tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [*KES, "status"]
    env = {**clean_environment(), **server.environment()}
    done = subprocess.run(command, env=env, stdout=write_end, stderr=subprocess.PIPE, timeout=SECONDS, check=False)
    os.close(write_end)
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr


HEAVY = {"flask", "prometheus_client", "google.protobuf", "msgspec", "yaml", "cryptography", "werkzeug", "asyncio"}


def test_key_create_imports_nothing_heavy(server: KeyServer, tmp_path: Path) -> None:
    code = (
        "import sys, json; from openkes.cli import main; code = main(['key', 'create', 'light']);"
        "print(json.dumps([code, sorted(sys.modules)]))"
    )
    env = {**clean_environment(), **server.environment()}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True, timeout=SECONDS)
    exit_code, modules = json.loads(done.stdout)
    assert exit_code == 0, done.stderr
    assert HEAVY & set(modules) == set()
