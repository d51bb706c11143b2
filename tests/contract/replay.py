"""Replay the recorded requests against any server that speaks the API, and print what differs.

    python -m tests.contract.replay https://127.0.0.1:7373 --admin root --minio minio

`--admin` and `--minio` name the key pairs NAME.key and NAME.cert; the second one's policy must be the only one, be
named `minio`, and allow /v1/key/{create,generate,decrypt,describe,encrypt,list}/*. Keys are made: use a server without
any, that may be thrown away.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import ssl
import sys
import tempfile
from base64 import b64encode
from pathlib import Path
from urllib.parse import urlsplit

from openkes.identity import identity_of_certificate, new_identity
from tests.contract import replies
from tests.contract.certificates import ca_pair
from tests.contract.replies import Reply, Request


class Network:
    """A sender over HTTP/1.1: a connection per identity, kept open as clients do."""

    def __init__(self, host: str, port: int, pairs: dict[str, tuple[Path, Path]]) -> None:
        """`pairs`: identity to (key, certificate); "none" needs none."""
        self._address = (host, port)
        self._contexts = {name: _context(pair) for name, pair in (*pairs.items(), ("none", None))}
        self._connections: dict[str, http.client.HTTPSConnection] = {}

    def __call__(self, request: Request) -> Reply:
        try:
            return self._send(request)
        except (OSError, http.client.HTTPException) as error:
            # A server may close a connection after an answer; 0 stands for "no HTTP answer".
            self._connections.pop(request.identity, None)
            return Reply(0, None, None, str(error).encode())

    def _send(self, request: Request) -> Reply:
        connection = self._connections.get(request.identity)
        if connection is None:
            context = self._contexts[request.identity]
            connection = http.client.HTTPSConnection(*self._address, context=context, timeout=30)
            self._connections[request.identity] = connection
        connection.putrequest(request.method, request.path, skip_accept_encoding=True)
        body = request.body
        if request.chunked:
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders([body] if body else [], encode_chunked=True)
        else:
            if body is not None or request.method in ("PUT", "POST"):
                connection.putheader("Content-Length", str(len(body or b"")))
            connection.endheaders()
            if body:
                self._write(connection, body)
        response = connection.getresponse()
        reply = Reply(
            response.status, response.headers.get("Content-Type"), response.headers.get("Location"), response.read()
        )
        if response.will_close:
            self._connections.pop(request.identity).close()
        return reply

    @staticmethod
    def _write(connection: http.client.HTTPSConnection, body: bytes) -> None:
        try:
            connection.send(body)
        except OSError:
            # The server has refused the body while it arrived; its answer may be there to read.
            return

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()


def _context(pair: tuple[Path, Path] | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if pair is not None:
        context.load_cert_chain(pair[1], pair[0])
    return context


def make_strangers(folder: Path) -> dict[str, tuple[Path, Path]]:
    """The identities that no server knows: "unknown", and "ca"."""
    made = {}
    pair = new_identity("unknown")
    for name, (key, certificate) in {"unknown": (pair.key, pair.certificate), "ca": ca_pair()}.items():
        made[name] = (folder / f"{name}.key", folder / f"{name}.cert")
        made[name][0].touch(mode=0o600)
        made[name][0].write_bytes(key)
        made[name][1].write_bytes(certificate)
    return made


class NotUsable(Exception):
    """The server cannot be measured; says why."""


def prepare(send: replies.Sender) -> None:
    """Make the keys that were there when the replies were recorded. NotUsable."""
    for name in replies.KEYS:
        if "chacha20" in name:
            body = json.dumps({"key": b64encode(os.urandom(32)).decode(), "cipher": "ChaCha20"}).encode()
            reply = send(Request("admin", "PUT", f"/v1/key/import/{name}", body, False))
        else:
            reply = send(Request("admin", "PUT", f"/v1/key/create/{name}", None, False))
        if reply.status == 0:
            raise NotUsable(f"no answer: {reply.body.decode()}")
        if reply.status != 200:
            raise NotUsable(f"cannot make key {name} as the admin: {reply.status} {reply.body.decode().strip()}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.contract.replay", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--admin", required=True, metavar="NAME")
    parser.add_argument("--minio", required=True, metavar="NAME")
    arguments = parser.parse_args()
    where = urlsplit(arguments.url)
    pairs = {
        role: (Path(f"{name}.key"), Path(f"{name}.cert"))
        for role, name in (("admin", arguments.admin), ("minio", arguments.minio))
    }
    identities = {role: identity_of_certificate(cert.read_bytes()) for role, (_, cert) in pairs.items()}
    with tempfile.TemporaryDirectory() as folder:
        network = Network(where.hostname or "127.0.0.1", where.port or 7373, {**pairs, **make_strangers(Path(folder))})
        try:
            prepare(network)
        except NotUsable as error:
            print(f"{arguments.url}: {error}", file=sys.stderr)
            return 2
        found = replies.replay(network, identities)
    listed = replies.listed_differences()
    for number, text in found.items():
        row = replies.ROWS[number]
        mark = "listed  " if number in listed else "UNLISTED"
        print(f"{mark} {number:3} {row['identity']:7} {row['method']:6} {row['path'][:50]:50} {row['note']}: {text}")
    print(f"{len(replies.ROWS)} requests, {len(found)} differences, {len(set(found) - set(listed))} of them unlisted")
    return 1 if set(found) - set(listed) else 0


if __name__ == "__main__":
    sys.exit(main())
