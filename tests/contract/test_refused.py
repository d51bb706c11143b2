"""What the front refuses by itself, as the audit log and the metrics show it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any
from urllib.parse import quote

import pytest

from openkes.config.schema import Proxy
from openkes.server.refused import create_witness
from tests.contract.doors import Doors

HEADER = "x-tls-client-cert"


@pytest.fixture
def doors() -> Doors:
    return Doors()


def told(doors: Doors, target: str, headers: list[tuple[str, str]] | None = None, who: str = "minio") -> Any:
    """The request of the audit line."""
    create_witness(doors.state)("PUT", target, headers or [], doors.peers[who], 413, 0.25)
    (line,) = doors.audit.written
    document = json.loads(line)
    assert document["response"] == {"code": 413, "time": 250_000}
    return document["request"]


@pytest.mark.parametrize(
    ("target", "route", "key"),
    [
        ("/v1/key/generate/my-key?query", "key_generate", "my-key"),
        ("/v1/key/generate/my%2Dkey", "key_generate", "my-key"),
        ("/v1/key/generate/no/key", "key_generate", None),
        ("/v1/key/list/my-", "key_list", None),
        ("/v1/policy/read/minio", "policy_read", None),
        ("/v1/identity/self/describe", "identity_self", None),
        ("/version", "version", None),
        ("/v1/key/generate", "none", None),
        ("/v1/key/none/my-key", "none", None),
        ("/", "none", None),
        ("*", "none", None),
    ],
)
def test_the_route_and_the_key(doors: Doors, target: str, route: str, key: str | None) -> None:
    request = told(doors, target)
    assert request["path"] == target.partition("?")[0]
    assert request.get("key") == key
    assert doors.state.metrics.snapshot()[0] == {(route, 413): 1}


@pytest.mark.parametrize(("who", "policy"), [("minio", "minio"), ("admin", None), ("unknown", None), ("none", None)])
def test_the_caller(doors: Doors, who: str, policy: str | None) -> None:
    request = told(doors, "/v1/key/generate/my-key", who=who)
    assert request["identity"] == (doors.identities[who] if who != "none" else "")
    assert request.get("policy") == policy
    assert request["ip"] == "192.0.2.1"


def forwarded(doors: Doors) -> str:
    """The certificate of `minio`, as a proxy sends it."""
    pem = doors.peers["minio"].certificate
    assert pem is not None
    return quote(pem)


@pytest.mark.parametrize(("value", "who"), [("good", "minio"), ("bad", "unknown"), ("", "unknown")])
def test_behind_a_proxy(doors: Doors, value: str, who: str) -> None:
    proxy = Proxy(identities=frozenset({doors.identities["unknown"]}), header="X-Tls-Client-Cert")
    doors.state.settings = dataclasses.replace(doors.state.settings, proxy=proxy)
    headers = [(HEADER, forwarded(doors) if value == "good" else value)] if value else []
    assert told(doors, "/v1/key/generate/my-key", headers, "unknown")["identity"] == doors.identities[who]


def test_a_header_of_anybody_else_counts_for_nothing(doors: Doors) -> None:
    headers = [(HEADER, forwarded(doors))]
    assert told(doors, "/v1/key/generate/my-key", headers, "unknown")["identity"] == doors.identities["unknown"]
