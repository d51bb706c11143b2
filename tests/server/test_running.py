"""A server as a process: it reloads, drains, keeps its keys, and writes a line for every request."""

from __future__ import annotations

import dataclasses
import json
import re
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from openkes.client import ClientError
from tests.front.certificates import certificate
from tests.servers import KeyServer, make_identity, running

DEADLINE = 20.0  # seconds; only a failing test waits so long


def wait_for(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + DEADLINE
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, what()
        pause.wait(0.02)


def change(server: KeyServer, **sections: object) -> None:
    file = server.folder / "config.yml"
    config = yaml.safe_load(file.read_text())
    config.update(sections)
    file.write_text(json.dumps(config))


def reload(server: KeyServer, expect: str = "reloaded") -> None:
    seen = server.stderr.count("SIGHUP")
    server.reload()
    wait_for(lambda: server.stderr.count("SIGHUP") > seen, lambda: server.stderr)
    assert expect in server.stderr.rpartition("SIGHUP")[2]


def test_keys_outlive_the_process(tmp_path: Path, engine: dict[str, str]) -> None:
    with running(tmp_path, environment=engine) as server, server.client() as client:
        client.create_key("my-key")
        plaintext, ciphertext = client.generate("my-key", b"context")
        server.kill()
    with running(tmp_path, environment=engine) as server, server.client() as client:
        assert client.decrypt("my-key", ciphertext, b"context") == plaintext


def test_sighup_brings_a_new_policy_and_keeps_connections(tmp_path: Path, engine: dict[str, str]) -> None:
    minio = make_identity(tmp_path, "minio")
    with running(tmp_path, environment=engine) as server, server.client() as admin, server.client(minio) as client:
        admin.create_key("my-key")
        with pytest.raises(ClientError, match="insufficient permissions"):
            client.generate("my-key")
        change(server, policy={"minio": {"allow": ["/v1/key/generate/*"], "identities": [minio.identity]}})
        reload(server)
        assert len(client.generate("my-key")[0]) == 32


def test_a_faulty_configuration_changes_nothing(tmp_path: Path, engine: dict[str, str]) -> None:
    with running(tmp_path, environment=engine) as server, server.client() as client:
        client.create_key("my-key")
        change(server, polcy={})
        reload(server, "unknown key 'polcy' (did you mean 'policy'?); everything stays as it was")
        assert len(client.generate("my-key")[0]) == 32


def test_a_missing_certificate_changes_nothing(tmp_path: Path, engine: dict[str, str]) -> None:
    with running(tmp_path, environment=engine) as server, server.client() as client:
        (tmp_path / "server.cert").rename(tmp_path / "away")
        reload(server, "everything stays as it was")
        (tmp_path / "away").rename(tmp_path / "server.cert")
        assert client.version()


def test_sighup_brings_a_new_certificate(tmp_path: Path, engine: dict[str, str]) -> None:
    with running(tmp_path, environment=engine) as server, server.client() as old:
        old.version()
        new = make_identity(tmp_path, "new")
        (tmp_path / "server.key").write_bytes(new.key.read_bytes())
        (tmp_path / "server.cert").write_bytes(new.cert.read_bytes())
        reload(server)
        with server.client() as client:
            client.version()
        old.version()


def test_the_audit_file_is_opened_again_after_rotation(tmp_path: Path, engine: dict[str, str]) -> None:
    audit = tmp_path / "audit.jsonl"
    with running(tmp_path, {"audit": {"file": str(audit)}}, environment=engine) as server, server.client() as client:
        client.version()
        wait_for(audit.exists, lambda: server.stderr)
        audit.rename(tmp_path / "audit.jsonl.1")
        reload(server)
        client.version()
        wait_for(lambda: b"/version" in audit.read_bytes(), lambda: server.stderr)


def test_every_request_has_its_audit_line_denied_ones_too(tmp_path: Path, engine: dict[str, str]) -> None:
    audit = tmp_path / "audit.jsonl"
    stranger = make_identity(tmp_path, "stranger")
    with running(tmp_path, {"audit": {"file": str(audit)}}, environment=engine) as server:
        with server.client() as client, server.client(stranger) as other:
            client.create_key("my-key")
            client.generate("my-key")
            with pytest.raises(ClientError):
                other.generate("my-key")
        server.stop()
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    calls = [
        (x["request"]["path"], x["request"]["identity"] == stranger.identity, x["response"]["code"]) for x in lines
    ]
    assert calls[-3:] == [
        ("/v1/key/create/my-key", False, 200),
        ("/v1/key/generate/my-key", False, 200),
        ("/v1/key/generate/my-key", True, 403),
    ]
    assert f"refused: identity {stranger.identity} is in no policy (path /v1/key/generate/my-key" in server.stderr


def test_no_secret_is_in_any_log(tmp_path: Path, engine: dict[str, str]) -> None:
    with running(tmp_path, environment=engine) as server, server.client() as client:
        client.create_key("my-key")
        plaintext, ciphertext = client.generate("my-key", b"the-context")
        server.stop()
    logs = server.stderr + server.stdout
    for secret in (plaintext, ciphertext, b"the-context"):
        for form in (secret.hex(), b64encode(secret).decode(), repr(secret)[2:-1]):
            assert form not in logs


def test_a_server_stops_on_sigterm_with_exit_0(tmp_path: Path, engine: dict[str, str]) -> None:
    with running(tmp_path, environment=engine) as server, server.client() as client:
        client.version()
        assert server.stop() == 0


def test_no_call_fails_during_reloads(tmp_path: Path, engine: dict[str, str]) -> None:
    with running(tmp_path, environment=engine) as server:
        with server.client() as client:
            client.create_key("my-key")
        failures: list[Exception] = []
        done = threading.Event()

        def work() -> None:
            with server.client() as client:
                while not done.is_set():
                    try:
                        client.generate("my-key")
                    except ClientError as error:
                        failures.append(error)

        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for _ in range(5):
            reload(server)
        done.set()
        for worker in workers:
            worker.join()
        assert failures == []


def test_no_call_fails_while_certificates_change(tmp_path: Path, engine: dict[str, str]) -> None:
    with running(tmp_path, environment=engine) as server:
        with server.client() as client:
            client.create_key("my-key")
        pairs = [make_identity(tmp_path, f"server-{i}") for i in range(3)]
        both = tmp_path / "all.crt"
        both.write_bytes(server.tls.cert.read_bytes() + b"".join(pair.cert.read_bytes() for pair in pairs))
        trusting = dataclasses.replace(server, tls=dataclasses.replace(server.tls, cert=both))
        failures: list[Exception] = []
        calls = [0, 0]
        done = threading.Event()

        def work(worker: int, kept: bool) -> None:
            while not done.is_set():
                with trusting.client() as client:  # a connection of its own each time, or one for all calls
                    try:
                        client.generate("my-key")
                        calls[worker] += 1
                        while kept and not done.is_set():
                            client.generate("my-key")
                            calls[worker] += 1
                    except ClientError as error:
                        failures.append(error)

        workers = [threading.Thread(target=work, args=(i, kept)) for i, kept in enumerate((True, False))]
        for worker in workers:
            worker.start()
        try:
            for pair in pairs:
                before = list(calls)
                (tmp_path / "server.key").write_bytes(pair.key.read_bytes())
                (tmp_path / "server.cert").write_bytes(pair.cert.read_bytes())
                reload(server)
                wait_for(lambda: bool(failures) or all(n > b + 5 for n, b in zip(calls, before, strict=True)), str)
        finally:
            done.set()
            for worker in workers:
                worker.join()
        assert failures == []


def test_sighup_switches_the_error_log_on_and_off(tmp_path: Path, engine: dict[str, str]) -> None:
    stranger = make_identity(tmp_path, "stranger")

    def errors() -> float:
        with server.client() as client:
            found = re.search(r"^kes_log_error_events (\S+)", client.metrics(), re.MULTILINE)
        assert found is not None
        return float(found[1])

    def refused_call() -> None:
        with server.client(stranger) as client, pytest.raises(ClientError):
            client.generate("my-key")

    with running(tmp_path, {"log": {"error": "off"}}, environment=engine) as server:
        refused_call()
        assert errors() == 0
        change(server, log={"error": "on"})
        reload(server)
        before = errors()
        refused_call()
        assert errors() == before + 1
        change(server, log={"error": "off"})
        reload(server)
        before = errors()
        refused_call()
        assert errors() == before


def test_a_reload_that_fails_at_the_tls_files_leaves_the_audit_log_where_it_was(
    tmp_path: Path, engine: dict[str, str]
) -> None:
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    with running(tmp_path, {"audit": {"file": str(old)}}, environment=engine) as server, server.client() as client:
        client.version()  # trusts the certificate as it is now
        key = ec.generate_private_key(ec.SECP521R1())  # is read, and refused by the front
        pem = serialization.Encoding.PEM
        (tmp_path / "server.key").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        (tmp_path / "server.cert").write_bytes(certificate(key, days=(-1, 90)).public_bytes(pem))  # type: ignore[arg-type]
        change(server, audit={"file": str(new)})
        reload(server, "everything stays as it was")
        before = old.read_bytes().count(b"/version")
        client.version()
        wait_for(lambda: old.read_bytes().count(b"/version") > before, lambda: server.stderr)
        assert new.read_bytes() == b""


def test_a_log_stream_shows_what_others_do(tmp_path: Path, engine: dict[str, str]) -> None:
    with running(tmp_path, environment=engine) as server, server.client() as client, server.client() as listener:
        lines = stream(server, "/v1/log/audit")
        client.version()
        line = json.loads(next(lines))
        assert line["request"]["path"] in ("/version", "/v1/log/audit")
        assert listener.version()


def stream(server: KeyServer, path: str):  # type: ignore[no-untyped-def]
    import http.client
    import ssl

    context = ssl.create_default_context(cafile=str(server.tls.cert))
    context.load_cert_chain(server.admin.cert, server.admin.key)
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=DEADLINE)
    connection.request("GET", path)
    response = connection.getresponse()
    assert (response.status, response.headers["Content-Type"]) == (200, "application/x-ndjson")
    return iter(response.readline, b"")


def test_a_renewed_certificate_is_served_without_a_signal(tmp_path: Path, engine: dict[str, str]) -> None:
    with running(tmp_path, environment=engine) as server, server.client() as old:
        old.version()
        new = make_identity(tmp_path, "new")
        (tmp_path / "server.key").write_bytes(new.key.read_bytes())
        (tmp_path / "server.cert").write_bytes(new.cert.read_bytes())
        wait_for(lambda: "TLS files changed: reloaded" in server.stderr, lambda: server.stderr)
        with server.client() as client:
            client.version()
        old.version()
