"""What must hold of the data routes, through each door."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import time
from base64 import b64decode, b64encode
from typing import Any

import pytest

from openkes.config.schema import RouteSettings
from openkes.crypto import entry
from openkes.crypto.aead import Algorithm
from openkes.crypto.entry import Key
from openkes.keystore.cache import PACE, KeyCache
from openkes.keystore.lifecycle import Lifecycle
from openkes.policy import Policy
from openkes.server import keys
from openkes.server.state import Settings
from tests.contract.doors import Doors
from tests.contract.replies import Reply, Request

KEY = "my-master-key"


@pytest.fixture(params=["both", "flask"])
def call(request: pytest.FixtureRequest, doors: Doors) -> Any:
    send = getattr(doors, request.param)

    def call(method: str, path: str, body: object = None, identity: str = "admin", chunked: bool = False) -> Reply:
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return send(Request(identity, method, path, raw, chunked))  # type: ignore[no-any-return]

    return call


@pytest.fixture
def doors() -> Doors:
    return Doors()


def text(data: bytes) -> str:
    return b64encode(data).decode()


def test_a_data_key_opens_with_its_context_only(call: Any) -> None:
    context = os.urandom(20)
    made = json.loads(call("PUT", f"/v1/key/generate/{KEY}", {"context": text(context)}).body)
    opened = call("PUT", f"/v1/key/decrypt/{KEY}", {"ciphertext": made["ciphertext"], "context": text(context)})
    assert json.loads(opened.body) == {"plaintext": made["plaintext"]}
    assert len(b64decode(made["plaintext"])) == 32
    refused = call("PUT", f"/v1/key/decrypt/{KEY}", {"ciphertext": made["ciphertext"]})
    assert (refused.status, json.loads(refused.body)["message"]) == (
        400,
        "decryption failed: ciphertext is not authentic",
    )


@pytest.mark.parametrize("key", ["hid-aes256-create", "hid-chacha20-import"])
def test_what_is_encrypted_decrypts(call: Any, key: str) -> None:
    made = json.loads(call("PUT", f"/v1/key/encrypt/{key}", {"plaintext": text(b"hello"), "context": text(b"c")}).body)
    request = {"ciphertext": made["ciphertext"], "context": text(b"c")}
    assert json.loads(call("PUT", f"/v1/key/decrypt/{key}", request).body) == {"plaintext": text(b"hello")}


def test_a_ciphertext_does_not_open_with_another_key(call: Any) -> None:
    made = json.loads(call("PUT", f"/v1/key/encrypt/{KEY}", {"plaintext": text(b"hello")}).body)
    assert call("PUT", "/v1/key/decrypt/other-key", {"ciphertext": made["ciphertext"]}).status == 400


@pytest.mark.parametrize("operation", ["generate", "encrypt", "decrypt", "hmac"])
@pytest.mark.parametrize("chunked", [True, False], ids=["unknown-length", "length-0"])
def test_an_empty_body_is_never_no_context(call: Any, operation: str, chunked: bool) -> None:
    reply = call("PUT", f"/v1/key/{operation}/{KEY}", b"", chunked=chunked)
    assert reply.status == 400
    assert b"plaintext" not in reply.body


@pytest.mark.parametrize("chunked", [True, False], ids=["unknown-length", "length-0"])
def test_an_empty_body_imports_nothing(call: Any, doors: Doors, chunked: bool) -> None:
    assert call("PUT", "/v1/key/import/new", b"", chunked=chunked).status == 400
    assert doors.store.list("new", 1).names == []


@pytest.mark.parametrize("field", ["context", "CONTEXT", "Context", "conTEXT"])
def test_a_context_counts_however_its_name_is_written(call: Any, field: str) -> None:
    made = json.loads(call("PUT", f"/v1/key/generate/{KEY}", {field: text(b"c")}).body)
    request = {"ciphertext": made["ciphertext"], "context": text(b"c")}
    assert call("PUT", f"/v1/key/decrypt/{KEY}", request).status == 200


def test_the_last_of_two_contexts_counts_as_in_go(call: Any) -> None:
    body = f'{{"context":"{text(b"a")}","CONTEXT":"{text(b"b")}"}}'.encode()
    made = json.loads(call("PUT", f"/v1/key/generate/{KEY}", body).body)
    request = {"ciphertext": made["ciphertext"], "context": text(b"b")}
    assert call("PUT", f"/v1/key/decrypt/{KEY}", request).status == 200


@pytest.mark.parametrize(
    "body",
    [b"{", b'{"context":"AAAA"', b"NaN", b'{"context":NaN}', b"\xff", b'"a"', b"1", b"[" * 99_999, b'{"context":[]}'],
)  # fmt: skip
def test_what_go_would_refuse_is_refused(call: Any, body: bytes) -> None:
    assert call("PUT", f"/v1/key/generate/{KEY}", body).status == 400


def test_an_old_key_has_no_hmac_key(call: Any, doors: Doors) -> None:
    doors.store.create("old", b'{"bytes":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}')
    assert call("PUT", "/v1/key/hmac/old", {"message": text(b"m")}).status == 409
    described = json.loads(call("GET", "/v1/key/describe/old").body)
    assert described["created_at"] == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize("stored", [b"", b"not an entry", b"CiQK"], ids=["empty", "text", "torn"])
def test_a_malformed_entry_is_named_and_harms_no_other_key(call: Any, doors: Doors, stored: bytes) -> None:
    doors.store.create("bad", stored)
    reply = call("PUT", "/v1/key/generate/bad", {})
    assert reply.status == 500
    assert "stored key 'bad' is malformed" in json.loads(reply.body)["message"]
    assert call("PUT", f"/v1/key/generate/{KEY}", {}).status == 200
    assert call("PUT", "/v1/key/create/bad").status == 400
    assert doors.store.get("bad") == stored


def test_an_unreachable_store_is_502_and_cached_keys_go_on(call: Any, doors: Doors) -> None:
    assert call("PUT", f"/v1/key/generate/{KEY}", {}).status == 200
    doors.store.close()
    assert call("PUT", "/v1/key/create/new").status == 502
    assert call("GET", "/v1/ready").status == 504
    assert json.loads(call("GET", "/v1/status").body)["keystore_unreachable"] is True
    assert call("PUT", f"/v1/key/generate/{KEY}", {}).status == 200


def test_a_deleted_key_is_gone_at_once(call: Any) -> None:
    assert call("PUT", f"/v1/key/generate/{KEY}", {}).status == 200
    assert call("DELETE", f"/v1/key/delete/{KEY}").status == 200
    assert call("PUT", f"/v1/key/generate/{KEY}", {}).status == 404


def test_a_created_entry_is_upstreams(call: Any, doors: Doors) -> None:
    assert call("PUT", "/v1/key/create/new").status == 200
    key = entry.decode(doors.store.get("new"))
    assert (key.algorithm, key.created_by) == (Algorithm.AES256, doors.identities["admin"])
    assert key.hmac_key is not None


def test_an_imported_key_is_the_one_given(call: Any, doors: Doors) -> None:
    raw = os.urandom(32)
    assert call("PUT", "/v1/key/import/new", {"key": text(raw), "cipher": "ChaCha20"}).status == 200
    key = entry.decode(doors.store.get("new"))
    assert (key.algorithm, key.key) == (Algorithm.CHACHA20, raw)


def test_every_key_is_listed(call: Any, doors: Doors) -> None:
    value = entry.encode(Key(Algorithm.AES256, bytes(32), None, None, ""))
    names = [f"many-{i:05d}" for i in range(3000)]
    for name in names:
        doors.store.create(name, value)
    assert json.loads(call("GET", "/v1/key/list/many-*").body) == {"names": names}


def test_a_new_policy_counts_from_the_next_request_on(call: Any, doors: Doors) -> None:
    path = f"/v1/key/generate/{KEY}"
    assert call("PUT", path, {}, identity="minio").status == 200
    doors.state.settings = Settings(
        admin=doors.identities["admin"],
        policies={"minio": Policy(allow=("/v1/key/*",), deny=(path,))},
        identities={doors.identities["minio"]: "minio"},
        api={},
        loaded_at=0,
    )
    assert call("PUT", path, {}, identity="minio").status == 403
    doors.state.settings = doors.settings()
    assert call("PUT", path, {}, identity="minio").status == 200


@pytest.mark.parametrize("path", ["/v1/key/delete/../generate/my-master-key", "/v1/key//generate/my-master-key"])
def test_an_unclean_path_does_nothing(call: Any, path: str) -> None:
    assert call("PUT", path, {}, identity="minio").status == 307


def test_no_audit_line_holds_key_matter(call: Any, doors: Doors) -> None:
    made = json.loads(call("PUT", f"/v1/key/generate/{KEY}", {"context": text(b"secret-context")}).body)
    lines = b"".join(doors.audit.written).decode()
    for secret in (*made.values(), text(b"secret-context")):
        assert secret not in lines
    assert f'"path":"/v1/key/generate/{KEY}"' in lines


@pytest.mark.parametrize("identity", ["none", "ca", "unknown", "minio"])
def test_nobody_unauthorised_learns_whether_a_key_exists(call: Any, identity: str) -> None:
    replies = [call("DELETE", f"/v1/key/delete/{name}", identity=identity) for name in (KEY, "absent")]
    assert replies[0] == replies[1]
    assert replies[0].status in (400, 403)


def test_a_store_that_hangs_is_a_504_after_the_routes_limit(call: Any, doors: Doors) -> None:
    gate = threading.Event()
    doors.store.get = lambda name: gate.wait() and b""  # type: ignore[method-assign,assignment,return-value]
    doors.state.keys.clear()
    doors.state.settings = dataclasses.replace(
        doors.state.settings, api={"/v1/key/generate/": RouteSettings(timeout=0.01)}
    )
    assert call("PUT", f"/v1/key/generate/{KEY}", {}).status == 504
    gate.set()


def test_a_store_that_hangs_is_not_waited_for_when_a_ciphertext_may_be_of_a_newer_version(
    call: Any, doors: Doors
) -> None:
    call("PUT", f"/v1/key/generate/{KEY}", {})
    gate = threading.Event()
    doors.store.get = lambda name: gate.wait() and b""  # type: ignore[method-assign,assignment,return-value]
    limits = {f"/v1/key/{operation}/": RouteSettings(timeout=0.01) for operation in ("generate", "decrypt")}
    doors.state.settings = dataclasses.replace(doors.state.settings, api=limits)
    assert call("PUT", f"/v1/key/decrypt/{KEY}", {"ciphertext": text(bytes(60))}).status == 504
    assert call("PUT", f"/v1/key/generate/{KEY}", {}).status == 200  # in memory: no need to ask
    gate.set()


def test_a_log_stream_ends_after_the_routes_limit(call: Any, doors: Doors) -> None:
    doors.state.settings = dataclasses.replace(doors.state.settings, api={"/v1/log/audit": RouteSettings(timeout=0.05)})
    reply = call("GET", "/v1/log/audit")  # returns only because the stream ends
    assert (reply.status, reply.content_type) == (200, "application/x-ndjson")


@pytest.mark.parametrize("path", ["/version", "/v1/ready", "/v1/status", "/v1/metrics", "/v1/api"])
def test_skip_auth_opens_a_route_to_everybody(call: Any, doors: Doors, path: str) -> None:
    assert call("GET", path, identity="none").status == 400
    doors.state.settings = dataclasses.replace(doors.state.settings, api={path: RouteSettings(skip_auth=True)})
    for identity in ("none", "ca", "unknown"):
        assert call("GET", path, identity=identity).status == 200


def test_the_table_of_routes_shows_changed_limits(call: Any, doors: Doors) -> None:
    doors.state.settings = dataclasses.replace(doors.state.settings, api={"/v1/ready": RouteSettings(timeout=3)})
    table = {row["path"]: row for row in json.loads(call("GET", "/v1/api").body)}
    assert (table["/v1/ready"]["timeout"], table["/v1/status"]["timeout"], table["/v1/log/audit"]["timeout"]) == (
        3,
        15,
        0,
    )


def test_after_a_rotation_every_older_ciphertext_opens(call: Any) -> None:
    made = []
    for number in range(1, 5):
        reply = json.loads(call("PUT", f"/v1/key/generate/{KEY}", {"context": text(b"c")}).body)
        assert reply.get("version", 1) == number
        made.append(reply)
        rotated = call("PUT", f"/v1/key/rotate/{KEY}")
        assert json.loads(rotated.body) == {"version": number + 1}
    for reply in made:
        for version in ({}, {"version": reply.get("version", 1)}, {"version": 99}):
            request = {"ciphertext": reply["ciphertext"], "context": text(b"c"), **version}
            assert json.loads(call("PUT", f"/v1/key/decrypt/{KEY}", request).body)["plaintext"] == reply["plaintext"]


def test_what_another_server_made_with_a_newer_version_opens(call: Any, doors: Doors) -> None:
    call("PUT", f"/v1/key/generate/{KEY}", {})
    elsewhere = KeyCache(doors.store)
    Lifecycle(elsewhere).rotate(KEY, b"\7" * 32, "")
    made = json.loads(keys.generate(KEY, elsewhere.get(KEY), b"{}"))
    opened = call("PUT", f"/v1/key/decrypt/{KEY}", {"ciphertext": made["ciphertext"]})
    assert json.loads(opened.body)["plaintext"] == made["plaintext"]


def test_ciphertexts_that_never_open_ask_the_store_at_a_pace(
    call: Any, doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("PUT", f"/v1/key/generate/{KEY}", {})
    reads, get = [], doors.store.get
    monkeypatch.setattr(doors.store, "get", lambda name: reads.append(name) or get(name))
    begin = time.monotonic()
    for _ in range(5):
        assert call("PUT", f"/v1/key/decrypt/{KEY}", {"ciphertext": text(bytes(60))}).status == 400
    assert len(reads) <= 1 + (time.monotonic() - begin) / PACE


def test_a_rotation_shows_in_describe_and_list(call: Any) -> None:
    call("PUT", f"/v1/key/rotate/{KEY}")
    described = json.loads(call("GET", f"/v1/key/describe/{KEY}").body)
    assert described["version"] == 2
    assert [version["version"] for version in described["versions"]] == [2, 1]
    assert json.loads(call("GET", "/v1/key/list/").body)["versions"] == {KEY: 2}


def test_a_rotation_leaves_hmacs_as_they_are(call: Any) -> None:
    before = call("PUT", f"/v1/key/hmac/{KEY}", {"message": text(b"m")}).body
    call("PUT", f"/v1/key/rotate/{KEY}")
    assert call("PUT", f"/v1/key/hmac/{KEY}", {"message": text(b"m")}).body == before


def test_a_deleted_key_waits_and_comes_back(call: Any) -> None:
    made = json.loads(call("PUT", f"/v1/key/generate/{KEY}", {}).body)
    assert call("DELETE", f"/v1/key/delete/{KEY}").status == 200
    assert KEY not in json.loads(call("GET", "/v1/key/list/").body)["names"]
    assert list(json.loads(call("GET", "/v1/key/pending/").body)["names"]) == [KEY]
    created = call("PUT", f"/v1/key/create/{KEY}")
    assert (created.status, json.loads(created.body)["message"]) == (400, "key already exists")
    assert call("PUT", f"/v1/key/undelete/{KEY}").status == 200
    opened = call("PUT", f"/v1/key/decrypt/{KEY}", {"ciphertext": made["ciphertext"]})
    assert json.loads(opened.body)["plaintext"] == made["plaintext"]


@pytest.mark.parametrize("operation", ["rotate", "undelete"])
def test_what_is_not_there_cannot_be_changed(call: Any, operation: str) -> None:
    assert call("PUT", f"/v1/key/{operation}/absent").status == 404


def test_flipped_bits_in_a_stored_key_are_detected(call: Any, doors: Doors) -> None:
    stored = doors.store.get(KEY)
    damaged = bytearray(b64decode(stored))
    damaged[45] ^= 1
    doors.store.replace(KEY, stored, b64encode(bytes(damaged)))
    doors.state.keys.clear()
    reply = call("PUT", f"/v1/key/generate/{KEY}", {})
    assert (reply.status, b"is malformed" in reply.body) == (500, True)
    assert call("PUT", "/v1/key/generate/other-key", {}).status == 200
