"""Start, reload, drain and stop, under load."""

from __future__ import annotations

import errno
import hashlib
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme

from openkes import front
from openkes.front import Limits, TLSFiles, TLSFilesError
from tests.front.conftest import Serve, files_of, until
from tests.front.wire import PATIENCE, Wire, connect_tcp


def certificate_of(address: tuple[str, int]) -> str:
    with Wire(address) as wire:
        der = wire.sock.getpeercert(binary_form=True)
        assert der is not None
        return hashlib.sha256(der).hexdigest()


def leaf_of(files: TLSFiles) -> str:
    return hashlib.sha256(
        ssl.PEM_cert_to_DER_cert(files.chain.decode().split("-----END")[0] + "-----END CERTIFICATE-----")
    ).hexdigest()


def test_port_0_and_a_port_in_use(serve: Serve) -> None:
    address = serve().address
    assert address[0] == "127.0.0.1"
    assert address[1] > 0
    with pytest.raises(OSError, match=r".+") as caught:
        serve(port=address[1])
    assert caught.value.errno == errno.EADDRINUSE


def test_an_address_that_is_not_ours(serve: Serve) -> None:
    with pytest.raises(OSError, match=r".+") as caught:
        serve(host="192.0.2.1")
    assert caught.value.errno == errno.EADDRNOTAVAIL


def test_a_host_that_does_not_exist(serve: Serve) -> None:
    with pytest.raises(OSError, match=r".+") as caught:
        serve(host="no.such.host.invalid")
    assert caught.value.errno is not None
    assert caught.value.strerror


def test_the_port_is_free_again_at_once(serve: Serve) -> None:
    served = serve()
    with Wire(served.address) as wire:
        assert wire.ask().status == 200
        served.front.stop()
        assert wire.ended()
    again = serve(port=served.address[1])
    with Wire(again.address) as wire:
        assert wire.ask().status == 200


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python has no IPv6")
def test_ipv6(serve: Serve) -> None:
    try:
        served = serve(host="::1")
    except OSError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")
    with Wire(served.address) as wire:
        assert wire.ask().json["address"] == f"[::1]:{wire.sock.getsockname()[1]}"


def test_an_ipv4_client_of_an_ipv6_socket_is_told_as_ipv4(serve: Serve) -> None:
    try:
        served = serve(host="::")
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with Wire(("127.0.0.1", served.address[1])) as wire:
        assert wire.ask().json["address"] == f"127.0.0.1:{wire.sock.getsockname()[1]}"


class Load:
    """Clients that ask all the time, each on its own connection, opened anew now and then."""

    def __init__(self, address: tuple[str, int], clients: int = 4) -> None:
        self.done = 0
        self.failures: list[BaseException] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(address,)) for _ in range(clients)]

    def _ask(self, address: tuple[str, int]) -> None:
        try:
            while not self._stop.is_set():
                with Wire(address) as wire:
                    for path in ("/hot", "/application") * 5:
                        assert wire.ask("PUT", path, b"{}").status == 200
                        self.done += 1
        except BaseException as error:
            self.failures.append(error)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_reload_under_load_drops_nothing(serve: Serve, files: TLSFiles, authority: trustme.CA) -> None:
    served = serve()
    others = [files_of(authority) for _ in range(2)]
    with Wire(served.address) as old, Load(served.address) as load:
        assert old.ask().status == 200
        for round_, new in enumerate([*others, files] * 3):
            before = load.done
            served.front.reload(new)
            assert certificate_of(served.address) == leaf_of(new)
            until(lambda: load.done > before + 20 or bool(load.failures))
            assert old.ask().status == 200, round_
    assert load.failures == []


def test_a_bad_reload_changes_nothing(serve: Serve, files: TLSFiles, authority: trustme.CA) -> None:
    served = serve()
    other = files_of(authority)
    with pytest.raises(TLSFilesError, match="do not belong together"):
        served.front.reload(TLSFiles(other.chain, files.key))
    assert certificate_of(served.address) == leaf_of(files)


def test_reload_turns_verification_on(serve: Serve, authority: trustme.CA, p256: Any) -> None:
    served = serve()
    with Wire(served.address, p256) as wire:
        served.front.reload(files_of(authority, client_ca=authority.cert_pem.bytes()))
        assert wire.ask().json["identity"] == p256.identity  # running connections are not touched
        with pytest.raises((ssl.SSLError, ConnectionError, EOFError)), Wire(served.address, p256) as refused:
            refused.ask()


class Slow:
    """An application whose calls end when told."""

    def __init__(self) -> None:
        self.running = threading.Semaphore(0)
        self.go = threading.Event()

    def __call__(self, *_: object) -> front.Response:
        self.running.release()
        assert self.go.wait(PATIENCE * 2)
        return 200, [], [b"finished"]


def no(*_: object) -> None:
    return None


def test_stop_finishes_what_runs(serve: Serve) -> None:
    slow = Slow()
    served = serve(hot=no, application=slow, limits=Limits(drain=PATIENCE))
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(served.address)) for _ in range(5)]
        for wire in wires:
            wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert slow.running.acquire(timeout=PATIENCE)
        stopping = threading.Thread(target=served.front.stop)
        stopping.start()
        stack.callback(stopping.join)

        def closed() -> bool:
            try:
                connect_tcp(served.address).close()
            except ConnectionError:
                return True
            return False

        until(closed)  # no more is accepted, while five still run
        assert stopping.is_alive()
        slow.go.set()
        for wire in wires:
            reply = wire.reply()
            assert (reply.body, reply.headers.get("connection")) == (b"finished", "close")
            assert wire.ended()


def test_stop_under_load_cuts_no_answer(serve: Serve) -> None:
    served = serve(limits=Limits(drain=PATIENCE))
    cut: list[str] = []

    def ask() -> None:
        try:
            while True:
                with Wire(served.address) as wire:
                    while True:
                        wire.send(b"PUT /hot HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
                        status, headers = wire.head()
                        body = wire._file.read(int(headers["content-length"]))
                        if len(body) != int(headers["content-length"]):
                            cut.append(f"{status} {len(body)}")
        except (OSError, EOFError):
            return  # refused, or closed between two requests

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(served.doors.peers) > 100)
    served.front.stop()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert cut == []


def test_stop_does_not_wait_for_ever(serve: Serve) -> None:
    slow = Slow()
    served = serve(hot=no, application=slow, limits=Limits(drain=0.5))
    with Wire(served.address) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert slow.running.acquire(timeout=PATIENCE)
        begun = time.monotonic()
        served.front.stop()
        assert time.monotonic() - begun < PATIENCE  # the call itself would take twice that
        assert wire.ended()
    slow.go.set()


def test_stop_ends_idle_half_and_waiting_connections_at_once(serve: Serve) -> None:
    served = serve(limits=Limits(drain=PATIENCE * 2))
    with Wire(served.address) as idle, Wire(served.address) as fresh, connect_tcp(served.address) as half:
        assert idle.ask().status == 200
        half.sendall(b"\x16\x03\x01")
        begun = time.monotonic()
        served.front.stop()
        assert time.monotonic() - begun < PATIENCE
        assert idle.ended()
        assert fresh.ended()


def test_stop_twice_and_from_two_threads(serve: Serve) -> None:
    served = serve()
    threads = [threading.Thread(target=served.front.stop) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    served.front.stop()


def test_threads_end_with_the_server(serve: Serve) -> None:
    before = {thread.ident for thread in threading.enumerate()}
    served = serve()
    with Wire(served.address) as wire:
        assert wire.ask().status == 200
    served.front.stop()
    until(lambda: not [t for t in threading.enumerate() if t.ident not in before and t.name.startswith("kes")])


def run(files: TLSFiles, folder: Path, start: str) -> subprocess.CompletedProcess[str]:
    """A program of its own, with `files` and `front`."""
    (folder / "chain").write_bytes(files.chain)
    (folder / "key").write_bytes(files.key)
    program = (
        "import ctypes, sys, pathlib; from openkes import front; folder = pathlib.Path(sys.argv[1])\n"
        "files = front.TLSFiles((folder / 'chain').read_bytes(), (folder / 'key').read_bytes())\n"
        f"{start}\nprint('up')\n"
    )
    command = [sys.executable, "-c", program, str(folder)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_an_interpreter_that_ends_without_stop(engine: bool, files: TLSFiles, tmp_path: Path) -> None:
    start = f"front.start('127.0.0.1', 0, files, lambda *_: (200, b''), None, engine={engine})"
    done = run(files, tmp_path, start)
    assert (done.returncode, done.stdout, done.stderr) == (0, "up\n", "")


def test_a_process_that_may_not_make_memory_executable(engine: bool, files: TLSFiles, tmp_path: Path) -> None:
    """As under MemoryDenyWriteExecute= of systemd, by the kernel's own means (PR_SET_MDWE, Linux 6.3)."""
    deny = "ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0 or sys.exit('none')"
    done = run(files, tmp_path, f"{deny}\nfront.start('127.0.0.1', 0, files, None, None, engine={engine})")
    if done.stderr == "none\n":
        pytest.skip("this kernel cannot deny it")
    if engine:
        assert (done.returncode, done.stdout, done.stderr) == (0, "up\n", "")
    else:
        last = done.stderr.splitlines()[-1]
        assert last.startswith("openkes.front.types.CannotRun: the pure Python engine needs to make memory executable")
