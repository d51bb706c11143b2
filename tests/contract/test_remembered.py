"""What the hot door remembers of calls changes no answer: another connection, method, identity or setting counts."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from openkes.config.schema import Proxy
from openkes.front import Peer
from openkes.policy import Policy
from openkes.server import hot
from tests.contract.certificates import ca_certificate
from tests.contract.doors import Doors
from tests.contract.replies import KEYS, Reply, Request

KEY = "my-master-key"
PATH = f"/v1/key/generate/{KEY}"


@pytest.fixture
def doors() -> Doors:
    """Every key is in memory, and MinIO's call on one of them is remembered."""
    doors = Doors()
    for name in KEYS:
        doors.state.keys.get(name)
    assert status(doors) == 200
    return doors


def send(doors: Doors, identity: str = "minio", method: str = "PUT", path: str = PATH) -> Reply | None:
    return doors.hot(Request(identity, method, path, b"{}", False))


def status(doors: Doors, identity: str = "minio", method: str = "PUT", path: str = PATH) -> int:
    reply = send(doors, identity, method, path)
    assert reply is not None, "it took the other door"
    return reply.status


def line(doors: Doors) -> dict[str, Any]:
    return json.loads(doors.audit.written[-1])  # type: ignore[no-any-return]


def test_a_policy_that_denies_counts_at_once(doors: Doors) -> None:
    policies = {"minio": Policy(allow=("/v1/key/*",), deny=(PATH,))}
    doors.state.settings = dataclasses.replace(doors.state.settings, policies=policies)
    assert status(doors) == 403


def test_an_identity_that_left_its_policy_is_refused_at_once(doors: Doors) -> None:
    doors.state.settings = dataclasses.replace(doors.state.settings, identities={})
    assert status(doors) == 403
    assert "policy" not in line(doors)["request"]


def test_a_former_admin_is_refused_at_once(doors: Doors) -> None:
    assert status(doors, "admin") == 200
    doors.state.settings = dataclasses.replace(doors.state.settings, admin=None)
    assert status(doors, "admin") == 403


def test_a_new_name_of_the_policy_is_in_the_next_line(doors: Doors) -> None:
    assert line(doors)["request"]["policy"] == "minio"
    policies = {"other": Policy(allow=("/v1/key/*",))}
    identities = {doors.identities["minio"]: "other"}
    doors.state.settings = dataclasses.replace(doors.state.settings, policies=policies, identities=identities)
    assert status(doors) == 200
    assert line(doors)["request"]["policy"] == "other"


def test_an_identity_that_becomes_a_proxy_takes_the_other_door(doors: Doors) -> None:
    proxy = Proxy(identities=frozenset({doors.identities["minio"]}))
    doors.state.settings = dataclasses.replace(doors.state.settings, proxy=proxy)
    assert send(doors) is None


def test_who_may_not_is_not_helped_by_who_may(doors: Doors) -> None:
    for _ in range(2):
        assert status(doors, "unknown") == 403
        assert status(doors) == 200
        assert status(doors, "none") == 400


def test_a_ca_certificate_does_not_count_whatever_its_key_may(doors: Doors) -> None:
    peer = doors.peers["minio"]
    doors.peers["as-ca"] = Peer(peer.address, peer.identity, ca_certificate(), 1)
    for _ in range(2):
        assert status(doors, "as-ca") == 400
    assert status(doors) == 200


def test_another_method_is_another_call(doors: Doors) -> None:
    for method, expected in (("POST", 200), ("GET", 405), ("PUT", 200), ("POST", 200)):
        assert status(doors, method=method) == expected
        assert (line(doors)["request"]["method"], line(doors)["response"]["code"]) == (method, expected)


def test_each_connection_has_its_own_address(doors: Doors) -> None:
    peer = doors.peers["minio"]
    doors.peers["elsewhere"] = Peer("[2001:db8::1]:99", peer.identity, peer.certificate, 1)
    seen = []
    for identity in ("elsewhere", "minio", "elsewhere"):
        assert status(doors, identity) == 200
        seen.append(line(doors)["request"]["ip"])
    assert seen == ["2001:db8::1", "192.0.2.1", "2001:db8::1"]


def test_a_deleted_key_is_gone_at_once(doors: Doors) -> None:
    doors.state.lifecycle.delete(KEY)
    assert send(doors) is None
    assert doors.flask(Request("minio", "PUT", PATH, b"{}", False)).status == 404


def test_more_calls_than_can_be_remembered(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot, "MAX_REMEMBERED", 2)
    for name in [*KEYS, *KEYS]:
        assert status(doors, path=f"/v1/key/generate/{name}") == 200
        assert line(doors)["request"]["key"] == name


def test_bodies_are_read_anew(doors: Doors) -> None:
    replies = [doors.hot(Request("minio", "PUT", PATH, body, False)) for body in (b"{}", b"", b"[]", b"x" * 1100_000)]
    assert [reply and reply.status for reply in replies] == [200, 400, 400, 413]


def test_every_call_is_counted_once_whichever_door_it_took(doors: Doors) -> None:
    """Besides the one of the fixture."""
    refused = doors.flask(Request("unknown", "PUT", PATH, b"{}", False))
    for _ in range(3):
        assert status(doors) == 200
        assert status(doors, "unknown") == refused.status == 403
        assert doors.flask(Request("minio", "PUT", PATH, b"{}", False)).status == 200
    text = doors.state.metrics.exposition(doors.state).body.decode().splitlines()
    rows = dict(line.rsplit(" ", 1) for line in text if not line.startswith("#"))
    assert float(rows['openkes_requests_total{code="200",route="key_generate"}']) == 7
    assert float(rows['openkes_requests_total{code="403",route="key_generate"}']) == 4
    assert float(rows['openkes_request_duration_seconds_count{route="key_generate"}']) == 11
    assert float(rows['openkes_request_duration_seconds_bucket{le="+Inf",route="key_generate"}']) == 11
    assert float(rows["kes_http_response_time_count"]) == 11
    assert float(rows['kes_http_request_success{code="200"}']) == 7


def test_a_call_without_its_line_counts_as_refused(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors.audit, "append", lambda _: False)
    assert status(doors) == 503
    requests, durations = doors.state.metrics.snapshot()
    assert requests == {("key_generate", 200): 1, ("key_generate", 503): 1}
    assert sum(durations["key_generate"].counts) == 2
