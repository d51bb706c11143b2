"""The client against small real TLS servers, each with one fault or one answer."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from openkes.client import (
    AnswerError,
    APIKey,
    Client,
    ClientError,
    CredentialsError,
    Endpoint,
    KeyFiles,
    NoAnswer,
    Patience,
    Reason,
    Trust,
)
from openkes.identity import (
    generate_api_key,
    identity_of_api_key,
    identity_of_certificate,
    key_pair_of_api_key,
    new_identity,
)
from tests.servers import Identity, free_port, make_identity


class Recorder(BaseHTTPRequestHandler):
    """Answers as `server.answer` says and remembers what came."""

    server: Any
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        self.server.seen.append((self.command, self.path, self.rfile.read(size)))
        self.server.peer = self.connection.getpeercert(binary_form=True)
        status, body = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_DELETE = _serve

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def https(context: ssl.SSLContext, status: int = 200, body: bytes = b"{}") -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    server.handle_error = lambda *_: None  # a refused handshake is what some tests want
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.answer, server.seen, server.peer = (status, body), [], None
    with serving(server):
        yield server


@contextmanager
def serving(server: Any) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def raw(reply: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server that hands its one connection to `reply`; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                reply(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.fixture
def tls(tmp_path: Path) -> Identity:
    return make_identity(tmp_path, "server")


@pytest.fixture
def admin(tmp_path: Path) -> Identity:
    return make_identity(tmp_path, "root")


def context(tls: Identity) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(tls.cert, tls.key)
    return made


def client(port: int, tls: Identity, who: Identity | None = None) -> Client:
    credentials = KeyFiles(who.key, who.cert) if who else None
    return Client(Endpoint("127.0.0.1", port), credentials, Trust(tls.cert))


CALLS: list[tuple[Callable[[Client], Any], bytes, Any, tuple[str, str, Any]]] = [
    (lambda c: c.create_key("k"), b"", None, ("PUT", "/v1/key/create/k", None)),
    (
        lambda c: c.import_key("k", bytes(32), "AES256"),
        b"",
        None,
        ("PUT", "/v1/key/import/k", {"key": "A" * 43 + "=", "cipher": "AES256"}),
    ),
    (lambda c: c.describe_key("k"), b'{"name":"k"}', {"name": "k"}, ("GET", "/v1/key/describe/k", None)),
    (lambda c: c.delete_key("k"), b"", None, ("DELETE", "/v1/key/delete/k", None)),
    (lambda c: c.list_keys(), b'{"names":null}', ([], ""), ("GET", "/v1/key/list/", None)),
    (
        lambda c: c.list_keys("p"),
        b'{"names":["p1"],"continue_at":"p2"}',
        (["p1"], "p2"),
        ("GET", "/v1/key/list/p", None),
    ),
    (
        lambda c: c.list_key_versions("p"),
        b'{"names":["p1","p2"],"versions":{"p2":3}}',
        {"p1": 1, "p2": 3},
        ("GET", "/v1/key/list/p", None),
    ),
    (
        lambda c: c.describe_policy("p"),
        b'{"created_by":"x"}',
        {"created_by": "x"},
        ("GET", "/v1/policy/describe/p", None),
    ),
    (lambda c: c.read_policy("p"), b'{"name":"p"}', {"name": "p"}, ("GET", "/v1/policy/read/p", None)),
    (lambda c: c.list_policies("p"), b'{"names":["p"]}', (["p"], ""), ("GET", "/v1/policy/list/p", None)),
    (
        lambda c: c.describe_identity("ab"),
        b'{"policy":"p"}',
        {"policy": "p"},
        ("GET", "/v1/identity/describe/ab", None),
    ),
    (
        lambda c: c.list_identities(),
        b'{"identities":["ab"],"continue_at":""}',
        (["ab"], ""),
        ("GET", "/v1/identity/list/", None),
    ),
    (lambda c: c.metrics(), b"kes_x 1\n", "kes_x 1\n", ("GET", "/v1/metrics", None)),
    (lambda c: c.list_keys("a/b ?"), b"{}", ([], ""), ("GET", "/v1/key/list/a%2Fb%20%3F", None)),
    (
        lambda c: c.generate("k"),
        b'{"plaintext":"YQ==","ciphertext":"Yg=="}',
        (b"a", b"b"),
        ("PUT", "/v1/key/generate/k", {}),
    ),
    (
        lambda c: c.generate("k", b"ctx"),
        b'{"plaintext":"YQ==","ciphertext":"Yg=="}',
        (b"a", b"b"),
        ("PUT", "/v1/key/generate/k", {"context": "Y3R4"}),
    ),
    (
        lambda c: c.encrypt("k", b"a", b"ctx"),
        b'{"ciphertext":"Yg=="}',
        b"b",
        ("PUT", "/v1/key/encrypt/k", {"plaintext": "YQ==", "context": "Y3R4"}),
    ),
    (
        lambda c: c.decrypt("k", b"b", b"ctx"),
        b'{"plaintext":"YQ=="}',
        b"a",
        ("PUT", "/v1/key/decrypt/k", {"ciphertext": "Yg==", "context": "Y3R4"}),
    ),
    (lambda c: c.hmac("k", b"a"), b'{"hmac":"Yg=="}', b"b", ("PUT", "/v1/key/hmac/k", {"message": "YQ=="})),
    (lambda c: c.status(), b'{"uptime":1}', {"uptime": 1}, ("GET", "/v1/status", None)),
    (lambda c: c.describe_self(), b'{"admin":true}', {"admin": True}, ("GET", "/v1/identity/self/describe", None)),
    (lambda c: c.version(), b'{"version":"1"}', {"version": "1"}, ("GET", "/version", None)),
]


@pytest.mark.parametrize(
    ("call", "answer", "result", "request_"), CALLS, ids=lambda v: v[1] if type(v) is tuple else ""
)
def test_calls_are_the_contracts(
    call: Callable[[Client], Any], answer: bytes, result: Any, request_: tuple[str, str, Any], tls: Identity
) -> None:
    with https(context(tls), body=answer) as server, client(server.server_port, tls) as kes:
        assert call(kes) == result
    method, path, body = server.seen[0]
    assert (method, path, json.loads(body) if body else None) == request_


def test_error_answers_keep_status_text_and_path(tls: Identity) -> None:
    with (
        https(context(tls), 403, b'{"message":"not authorized"}\n') as server,
        client(server.server_port, tls) as kes,
        pytest.raises(AnswerError) as caught,
    ):
        kes.create_key("k")
    error = caught.value
    assert (error.status, error.message, error.path, error.from_kes) == (
        403,
        "not authorized",
        "/v1/key/create/k",
        True,
    )


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b'{"message":1}'])
def test_errors_of_other_servers_are_told_apart(body: bytes, tls: Identity) -> None:
    with (
        https(context(tls), 404, body) as server,
        client(server.server_port, tls) as kes,
        pytest.raises(AnswerError, match="HTTP status 404") as caught,
    ):
        kes.create_key("k")
    assert not caught.value.from_kes


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"plaintext":"?","ciphertext":""}', b'{"plaintext":1}'])
def test_answers_that_are_none(body: bytes, tls: Identity) -> None:
    with (
        https(context(tls), 200, body) as server,
        client(server.server_port, tls) as kes,
        pytest.raises(AnswerError) as caught,
    ):
        kes.generate("k")
    assert not caught.value.from_kes


def test_redirects_are_not_followed(tls: Identity) -> None:
    with (
        https(context(tls), 307, b"") as server,
        client(server.server_port, tls) as kes,
        pytest.raises(AnswerError, match="HTTP status 307"),
    ):
        kes.version()
    assert len(server.seen) == 1


def requiring(tls: Identity, clients: bytes) -> ssl.SSLContext:
    made = context(tls)
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(cadata=clients.decode())
    return made


def test_the_client_shows_its_certificate(tls: Identity, admin: Identity) -> None:
    with (
        https(requiring(tls, admin.cert.read_bytes())) as server,
        client(server.server_port, tls, admin) as kes,
    ):
        kes.version()
        assert identity_of_certificate(server.peer) == admin.identity


def test_an_api_key_is_shown_as_its_certificate(tls: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    # The certificate of an API key is made anew each time; the test server must trust it beforehand.
    key = generate_api_key()
    pair = key_pair_of_api_key(key)
    monkeypatch.setattr("openkes.identity.key_pair_of_api_key", lambda _: pair)
    with https(requiring(tls, pair.certificate)) as server:
        endpoint = Endpoint("127.0.0.1", server.server_port)
        with Client(endpoint, APIKey(key), Trust(tls.cert)) as kes:
            kes.version()
            assert identity_of_certificate(server.peer) == identity_of_api_key(key)


def no_answer(
    port: int,
    tls: Identity,
    who: Identity | None = None,
    trust: Trust | None = None,
    patience: Patience | None = None,
) -> NoAnswer:
    credentials = KeyFiles(who.key, who.cert) if who else None
    with (
        Client(Endpoint("127.0.0.1", port), credentials, trust or Trust(tls.cert), patience) as kes,
        pytest.raises(NoAnswer) as caught,
    ):
        kes.version()
    return caught.value


def test_refused(tls: Identity) -> None:
    assert no_answer(free_port(), tls).reason is Reason.REFUSED


def test_unknown_host(tls: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)  # the resolver is not on loopback
    assert no_answer(7373, tls).reason is Reason.UNKNOWN_HOST


def test_plain_http_on_the_port(tls: Identity) -> None:
    with raw(lambda s: (s.recv(4096), s.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))) as port:  # type: ignore[arg-type,return-value]
        assert no_answer(port, tls).reason is Reason.NOT_TLS


def test_closed_during_the_handshake(tls: Identity) -> None:
    with raw(lambda s: (s.recv(65536), s.shutdown(socket.SHUT_WR))) as port:  # type: ignore[arg-type,return-value]
        assert no_answer(port, tls).reason is Reason.CLOSED


def test_hanging_server(tls: Identity) -> None:
    done = threading.Event()
    with raw(lambda s: (done.wait(30), None)[1]) as port:
        assert no_answer(port, tls, patience=Patience(0.2, 0.2)).reason is Reason.TIMEOUT
        done.set()


def test_not_http(tls: Identity) -> None:
    def reply(connection: socket.socket) -> None:
        with context(tls).wrap_socket(connection, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(b"220 mail ESMTP\r\n")

    with raw(reply) as port:
        assert no_answer(port, tls).reason is Reason.NOT_HTTP


def test_untrusted_server(tls: Identity, admin: Identity) -> None:
    with https(context(tls)) as server:
        assert no_answer(server.server_port, tls, trust=Trust(admin.cert)).reason is Reason.UNTRUSTED
        assert no_answer(server.server_port, tls, trust=Trust()).reason is Reason.UNTRUSTED
    assert server.seen == []


@pytest.mark.filterwarnings("error")
def test_insecure_believes_anybody_and_does_not_nag(tls: Identity) -> None:
    with (
        https(context(tls)) as server,
        Client(Endpoint("127.0.0.1", server.server_port), None, Trust(insecure=True)) as kes,
    ):
        kes.version()


def test_a_ca_and_a_folder_of_them(tls: Identity, tmp_path: Path) -> None:
    ca = trustme.CA()
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(made)
    folder = tmp_path / "cas"
    folder.mkdir()
    (folder / "notes").write_text("not a certificate")
    ca.cert_pem.write_to_path(str(folder / "ca.crt"))
    with https(made) as server:
        for path in (folder, folder / "ca.crt"):
            with Client(Endpoint("127.0.0.1", server.server_port), None, Trust(path)) as kes:
                kes.version()


def written(folder: Path, name: str, **options: Any) -> Identity:
    pair = new_identity(name, **options)
    made = Identity(folder / f"{name}.key", folder / f"{name}.cert", pair.identity)
    made.key.write_bytes(pair.key)
    made.cert.write_bytes(pair.certificate)
    return made


def test_certificate_for_another_name(tmp_path: Path) -> None:
    other = written(tmp_path, "other", ips=["127.0.0.9"], dns=["kes-1"])
    with https(context(other)) as server:
        assert no_answer(server.server_port, other).reason is Reason.WRONG_NAME


def test_expired_server(tmp_path: Path) -> None:
    past = datetime.now(UTC) - timedelta(days=3)
    old = written(tmp_path, "old", ips=["127.0.0.1"], expiry=timedelta(days=1), now=past)
    with https(context(old)) as server:
        assert no_answer(server.server_port, old).reason is Reason.SERVER_EXPIRED


def test_server_that_requires_a_certificate(tls: Identity, admin: Identity) -> None:
    with https(requiring(tls, admin.cert.read_bytes())) as server:
        assert no_answer(server.server_port, tls).reason in (Reason.CLIENT_CERTIFICATE_MISSING, Reason.CLOSED)


def test_server_that_refuses_the_certificate(tls: Identity, admin: Identity, tmp_path: Path) -> None:
    stranger = make_identity(tmp_path, "stranger")
    with https(requiring(tls, admin.cert.read_bytes())) as server:
        reason = no_answer(server.server_port, tls, stranger).reason
    assert reason in (Reason.CLIENT_CERTIFICATE_REFUSED, Reason.CLOSED)


def test_encrypted_key_asks_once_for_its_password(tls: Identity, tmp_path: Path) -> None:
    locked = written(tmp_path, "locked", password=b"correct horse")
    asked: list[int] = []

    def password() -> str:
        asked.append(1)
        return "correct horse"

    with https(context(tls)) as server:
        files = KeyFiles(locked.key, locked.cert, password)
        with Client(Endpoint("127.0.0.1", server.server_port), files, Trust(tls.cert)) as kes:
            kes.version()
            kes.version()
    assert len(asked) == 1


def test_encrypted_key_without_a_password(tls: Identity, tmp_path: Path) -> None:
    locked = written(tmp_path, "locked", password=b"correct horse")
    with client(free_port(), tls, locked) as kes, pytest.raises(CredentialsError, match="protected by a password"):
        kes.version()


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("127.0.0.1:7373", "https://127.0.0.1:7373"),
        ("kes-1", "https://kes-1:7373"),
        ("https://kes-1", "https://kes-1:443"),
        ("https://kes-1:7000/", "https://kes-1:7000"),
        ("[::1]:7373", "https://[::1]:7373"),
    ],
)
def test_addresses(text: str, endpoint: str) -> None:
    assert str(Endpoint.parse(text)) == endpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":7373",
        "http://kes-1",
        "ftp://kes-1",
        "kes-1:x",
        "kes-1:99999",
        "a:1,b:2",
        "https://u@h",
        "u:p@h",
        "h/path",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ClientError):
        Endpoint.parse(text)


def test_secrets_are_not_in_the_repr() -> None:
    text = generate_api_key()
    assert text not in repr(APIKey(text))
    assert text not in repr(Client(Endpoint("h", 1), APIKey(text), Trust()))


def streaming(tls: Identity, *chunks: bytes, end: bytes = b"0\r\n\r\n") -> Callable[[socket.socket], None]:
    """A reply in chunks, each in a record of its own."""

    def reply(connection: socket.socket) -> None:
        with context(tls).wrap_socket(connection, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for chunk in chunks:
                secure.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            secure.sendall(end)

    return reply


@pytest.mark.parametrize(
    "chunks",
    [
        [b'{"n":1}\n', b'{"n":2}\n'],
        [b'{"n":1}\n{"n":2}\n'],
        [b'{"n"', b":1}", b'\n{"n":2}\n'],
        [b'\n{"n":1}\n\n', b'{"n":2}'],  # empty lines, and none at the end
    ],
)
def test_a_log_is_read_line_by_line_however_it_is_cut(tls: Identity, chunks: list[bytes]) -> None:
    with raw(streaming(tls, *chunks)) as port, client(port, tls) as kes:
        assert list(kes.log("audit")) == [{"n": 1}, {"n": 2}]


def test_a_line_comes_before_the_next_one_is_sent(tls: Identity) -> None:
    seen = threading.Event()

    def reply(connection: socket.socket) -> None:
        with context(tls).wrap_socket(connection, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n1\r\n\n\r\n")
            assert seen.wait(30)
            secure.sendall(b"0\r\n\r\n")

    with raw(reply) as port, client(port, tls) as kes:
        log = kes.log("error")
        assert next(log) == {}
        seen.set()
        assert list(log) == []


@pytest.mark.parametrize("line", [b"no json", b"[]", b"\xff"])
def test_a_line_that_is_no_object(tls: Identity, line: bytes) -> None:
    with raw(streaming(tls, line + b"\n")) as port, client(port, tls) as kes, pytest.raises(AnswerError) as caught:
        list(kes.log("audit"))
    assert not caught.value.from_kes


def test_a_line_without_end(tls: Identity) -> None:
    with raw(streaming(tls, *[b"x" * 2**16] * 17)) as port, client(port, tls) as kes, pytest.raises(ClientError):
        list(kes.log("audit"))


def test_a_log_that_breaks_off(tls: Identity) -> None:
    with raw(streaming(tls, b"{}\n", end=b"")) as port, client(port, tls) as kes:
        log = kes.log("audit")
        assert next(log) == {}
        with pytest.raises(NoAnswer) as caught:
            next(log)
    assert caught.value.reason is Reason.CLOSED


def test_a_log_that_is_refused(tls: Identity) -> None:
    with https(context(tls), 403, b'{"message":"no"}') as server, client(server.server_port, tls) as kes:
        with pytest.raises(AnswerError) as caught:
            list(kes.log("audit"))
        assert (caught.value.status, caught.value.path) == (403, "/v1/log/audit")
