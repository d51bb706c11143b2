"""The audit log of a running server, behind either engine: refused answers, recovery, no secrets."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import resource
import threading
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from openkes.server.audit.verify import verify
from tests.contract.doors import Doors
from tests.contract.replies import Request
from tests.servers import KeyServer, make_identity, running
from tests.trials.caller import Answer, Caller


def audit(file: Path, **more: str) -> dict[str, object]:
    return {"audit": {"file": str(file), **more}, "keys": [{"name": "my-key"}]}


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


def limit(server: KeyServer, size: int) -> None:
    """No file of the server may grow beyond `size`: as a full disk, without root."""
    hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, hard))


def test_lines_say_who_what_and_which_key(tmp_path: Path, engine: dict[str, str]) -> None:
    file = tmp_path / "audit.jsonl"
    with running(tmp_path, audit(file, mode="required"), environment=engine) as server, Caller(server) as caller:
        caller.generate("my-key")
        caller.generate("my-key")  # the key is in memory: the hot door
        caller.generate("none")
        first, second, third = lines(file)[-3:]
    requests = [line["request"] for line in (first, second, third)]
    assert [request["key"] for request in requests] == ["my-key", "my-key", "none"]
    assert [line["response"]["code"] for line in (first, second, third)] == [200, 200, 404]
    assert {request["identity"] for request in requests} == {server.admin.identity}
    assert len({request["id"] for request in requests}) == 3
    assert verify([file]).findings == []


def test_a_line_names_the_policy(tmp_path: Path, engine: dict[str, str]) -> None:
    file = tmp_path / "audit.jsonl"
    minio = make_identity(tmp_path, "minio")
    policy = {"minio": {"allow": ["/v1/key/generate/*"], "identities": [minio.identity]}}
    config = {**audit(file, mode="required"), "policy": policy}
    with running(tmp_path, config, environment=engine) as server, Caller(server, minio) as caller:
        for _ in range(2):
            assert caller.generate("my-key").status == 200
        assert caller.decrypt("my-key", b"").status == 403
    assert [line["request"]["policy"] for line in lines(file)[-3:]] == ["minio"] * 3
    assert lines(file)[-1]["response"]["code"] == 403


def test_what_is_refused_before_it_is_read_has_its_line(tmp_path: Path, engine: dict[str, str]) -> None:
    file = tmp_path / "audit.jsonl"
    minio = make_identity(tmp_path, "minio")
    policy = {"minio": {"allow": ["/v1/key/generate/*"], "identities": [minio.identity]}}
    config = {**audit(file, mode="required"), "policy": policy}
    with running(tmp_path, config, environment=engine) as server, Caller(server, minio) as caller:
        before = len(lines(file))
        answer = caller.call("PUT", "/v1/key/generate/my-key?query", {"context": bytes(2**21)})
        assert (answer.status, answer.message) == (413, "request body too large")
        (line,) = lines(file)[before:]
        with Caller(server) as admin:
            metrics = admin.call("GET", "/v1/metrics", accept="text/plain").body.decode()
    asked = {name: line["request"][name] for name in ("method", "path", "identity", "policy", "key")}
    assert asked == {
        "method": "PUT",
        "path": "/v1/key/generate/my-key",
        "identity": minio.identity,
        "policy": "minio",
        "key": "my-key",
    }
    assert line["response"]["code"] == 413
    assert 'kes_http_request_error{code="413"} 1.0' in metrics
    assert "refused before it was read, with 413: PUT /v1/key/generate/my-key" in server.stderr
    assert verify([file]).findings == []


def test_the_request_id_is_the_server_s(tmp_path: Path, engine: dict[str, str]) -> None:
    file = tmp_path / "audit.jsonl"
    with running(tmp_path, audit(file, mode="required"), environment=engine) as server, Caller(server) as caller:
        sent = caller.call("GET", "/v1/status", X_Request_Id="mine").headers["x-request-id"]
        assert sent == lines(file)[-1]["request"]["id"]
        assert sent != "mine"


def refused(answer: Answer) -> bool:
    return answer.status == 503 and answer.message == "audit log cannot be written"


def test_a_full_disk_refuses_calls_on_keys_and_heals(tmp_path: Path, engine: dict[str, str]) -> None:
    file = tmp_path / "audit.jsonl"
    with running(tmp_path, audit(file, mode="required"), environment=engine) as server, Caller(server) as caller:
        sealed = caller.generate("my-key", b"context").field("ciphertext")
        assert caller.decrypt("my-key", sealed, b"context").status == 200
        limit(server, file.stat().st_size + 100)
        assert refused(caller.generate("my-key"))
        assert refused(caller.decrypt("my-key", sealed, b"context"))
        assert refused(caller.call("PUT", "/v1/key/hmac/my-key", {"message": b"m"}))
        assert refused(caller.call("GET", "/v1/key/describe/my-key"))
        assert refused(caller.call("PUT", "/v1/key/create/other"))
        assert refused(caller.call("GET", "/v1/ready"))
        assert caller.call("GET", "/v1/status").status == 200  # how to see what is wrong
        assert caller.decrypt("my-key", sealed, b"other").status == 400
        before = len(lines(file))
        limit(server, resource.RLIM_INFINITY)
        assert caller.call("GET", "/v1/ready").status == 200
        assert caller.decrypt("my-key", sealed, b"context").status == 200
        assert caller.call("PUT", "/v1/key/create/other").status == 200
        assert len(lines(file)) == before + 3
    report = verify([file])
    assert (report.findings, report.lost) == ([], 8)


def test_a_create_is_not_begun_while_lines_cannot_be_written(tmp_path: Path, engine: dict[str, str]) -> None:
    file = tmp_path / "audit.jsonl"
    with running(tmp_path, audit(file, mode="required"), environment=engine) as server, Caller(server) as caller:
        limit(server, file.stat().st_size + 100)
        assert refused(caller.generate("my-key"))
        assert refused(caller.call("PUT", "/v1/key/create/other"))
        limit(server, resource.RLIM_INFINITY)
        assert caller.call("GET", "/v1/ready").status == 200
        assert caller.generate("other").status == 404


def test_a_create_that_was_done_without_its_line_is_in_the_server_s_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    doors = Doors()
    monkeypatch.setattr(doors.audit, "append", lambda _: False)
    reply = doors.both(Request("admin", "PUT", "/v1/key/create/other", None, False))
    assert (reply.status, reply.body) == (503, b'{"message":"audit log cannot be written"}\n')
    done = f"/v1/key/create/other by {doors.identities['admin']} is done, and not in the audit log"
    assert done in [record.message for record in caplog.records]


def test_a_full_device(tmp_path: Path, engine: dict[str, str]) -> None:
    config = audit(Path("/dev/full"), mode="required")
    with running(tmp_path, config, environment=engine) as server, Caller(server) as caller:
        for _ in range(3):
            assert refused(caller.generate("my-key"))


def test_best_effort_answers_on_a_full_device(tmp_path: Path, engine: dict[str, str]) -> None:
    config = audit(Path("/dev/full"))
    with running(tmp_path, config, environment=engine) as server, Caller(server) as caller:
        for _ in range(3):
            assert caller.generate("my-key").status == 200
    assert "lines are lost until this is mended" in server.stderr


def test_a_restart_continues_the_chain(tmp_path: Path, engine: dict[str, str]) -> None:
    file = tmp_path / "audit.jsonl"
    for _ in range(2):
        with running(tmp_path, audit(file), environment=engine) as server, Caller(server) as caller:
            caller.generate("my-key")
    report = verify([file])
    assert (report.findings, report.notes, report.writers) == ([], [], 2)


def test_a_killed_server_has_written_what_it_answered(tmp_path: Path, engine: dict[str, str]) -> None:
    file = tmp_path / "audit.jsonl"
    good: list[int] = []
    enough = threading.Event()

    def call(server: KeyServer) -> None:
        with Caller(server) as caller, contextlib.suppress(OSError, http.client.HTTPException):
            while True:
                good.append(caller.generate("my-key").status)
                if len(good) >= 300:
                    enough.set()

    with running(tmp_path, audit(file, mode="required"), environment=engine) as server:
        threads = [threading.Thread(target=call, args=(server,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert enough.wait(60)
        server.kill()
        for thread in threads:
            thread.join()
    recorded = [line for line in lines(file) if line["request"].get("key") and line["response"]["code"] == 200]
    assert set(good) == {200}
    assert len(good) <= len(recorded)
    with running(tmp_path, audit(file, mode="required"), environment=engine) as server, Caller(server) as caller:
        assert caller.generate("my-key").status == 200
    report = verify([file])
    assert (report.findings, report.writers) == ([], 2)


def test_a_path_cannot_forge_lines_of_a_log(tmp_path: Path, engine: dict[str, str]) -> None:
    file = tmp_path / "audit.jsonl"
    stranger = make_identity(tmp_path, "stranger")
    with running(tmp_path, audit(file, mode="required"), environment=engine) as server:
        with Caller(server, stranger) as caller:
            before = len(lines(file))
            assert caller.call("GET", "/v1/key/describe/x%0dforged%1b[2J%c2%85").status == 403
            assert caller.call("GET", "/v1/key/describe/x%0aforged").status == 404
        assert len(lines(file)) == before + 2
        text = (tmp_path / "server.stderr").read_bytes().decode()
    assert r"/v1/key/describe/x\rforged\x1b[2J\x85" in text
    assert not {"\r", "\x1b", "\x85"} & set(text)


SECRETS = {
    name: os.urandom(6).hex().encode() + name.encode() for name in ("plaintext", "context", "message", "imported")
}


def forms(secret: bytes) -> set[bytes]:
    """As a log could hold it. The ends of base64 depend on what surrounds it, so a middle is enough."""
    middle = {b64encode(b"x" * skip + secret)[4:-4] for skip in range(3)}
    return {secret, secret.hex().encode(), repr(secret)[2:-1].encode(), *middle}


def test_no_secret_in_any_log(tmp_path: Path, engine: dict[str, str]) -> None:
    """Every key route with marked secrets, through both doors, with good, bad and denied calls."""
    file = tmp_path / "audit.jsonl"
    stranger = make_identity(tmp_path, "stranger")
    marked = dict(SECRETS)
    with running(tmp_path, audit(file, mode="required"), environment=engine) as server:
        with Caller(server) as caller:
            material = {"key": SECRETS["imported"].ljust(32, b"i"), "cipher": "AES256"}
            assert caller.call("PUT", "/v1/key/import/imported", material).status == 200
            for name in ("my-key", "imported", "none", "bad%20name"):
                for number in range(2):  # the first call may fetch the key, the second finds it in memory
                    use(caller, name, marked, f"{name}-{number}")
        with Caller(server, stranger) as caller:
            use(caller, "my-key", marked, "denied")
    assert {f"{kind}-{key}-1" for kind in ("dek", "sealed", "data", "hmac") for key in ("my-key", "imported")} < {
        *marked
    }
    assert len(lines(file)) > 60
    logs = {"audit": file.read_bytes(), "stderr": server.stderr.encode(), "stdout": server.stdout.encode()}
    for log, text in logs.items():
        for name, secret in marked.items():
            for form in forms(secret):
                assert form not in text, f"{name} in {log}"


def use(caller: Caller, name: str, marked: dict[str, bytes], label: str) -> None:
    """Every data route once and more. What the server answers goes to `marked` too."""
    plaintext, context, message = marked["plaintext"], marked["context"], marked["message"]

    def call(route: str, **fields: bytes | str) -> Answer | None:
        answer = caller.call("PUT", f"/v1/key/{route}/{name}", fields)
        return answer if answer.status == 200 else None

    if made := call("generate", context=context):
        sealed = made.field("ciphertext")
        marked[f"dek-{label}"], marked[f"sealed-{label}"] = made.field("plaintext"), sealed
        assert call("decrypt", ciphertext=sealed, context=context)
        assert not call("decrypt", ciphertext=sealed, context=context + b"!")
    if made := call("encrypt", plaintext=plaintext, context=context):
        marked[f"data-{label}"] = made.field("ciphertext")
        assert call("decrypt", ciphertext=made.field("ciphertext"), context=context)
    if made := call("hmac", message=message):
        marked[f"hmac-{label}"] = made.field("hmac")
    assert not call("decrypt", ciphertext=plaintext, context=context)
    assert not call("generate", context=f"not base64: {plaintext!r}")
    assert not call("import", key=marked["imported"], cipher="AES256")
    assert not call("import", key=marked["imported"], cipher="none")
