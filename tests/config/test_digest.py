"""The digest of what a group has in common: the same where it must be, and only there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from openkes.config.digest import digest
from openkes.config.load import load

BASE: dict[str, Any] = {
    "version": "v1",
    "admin": {"identity": "a" * 64},
    "tls": {"key": "server.key", "cert": "server.cert"},
    "keystore": {
        "etcd": {
            "endpoint": ["https://etcd-1:2379", "https://etcd-2:2379"],
            "user": "kes",
            "password": "hush",
            "tls": {"ca": "/etc/ca"},
        }
    },
    "policy": {
        "minio": {"allow": ["/v1/key/generate/*", "/v1/key/decrypt/*"], "identities": ["b" * 64, "c" * 64]},
        "backup": {"allow": ["/v1/key/list/*"], "deny": ["/v1/key/list/hidden*"], "identities": ["d" * 64]},
    },
    "api": {"/v1/ready": {"skip_auth": "on", "timeout": "5s"}, "/v1/metrics": {"skip_auth": "on"}},
    "cache": {"expiry": {"any": "5m", "offline": "1h"}},
    "keys": [{"name": "one"}, {"name": "two"}],
}


def changed(place: str, value: object) -> dict[str, Any]:
    """BASE with another value at `place`, of names and indices with blanks between; None takes it out."""
    document: Any = json.loads(json.dumps(BASE))
    *steps, last = [int(step) if step.isdigit() else step for step in place.split()]
    at = document
    for step in steps:
        at = at.setdefault(step, {}) if isinstance(at, dict) else at[step]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return dict(document)


def digest_of(folder: Path, document: dict[str, Any]) -> str:
    file = folder / "config.yml"
    file.write_text(json.dumps(document))
    return digest(load(file))


DIFFERENT = {
    "another admin": ("admin identity", "e" * 64),
    "no admin": ("admin", None),
    "one identity more": ("policy minio identities", ["b" * 64]),
    "one rule less": ("policy minio allow", ["/v1/key/generate/*"]),
    "allowed, not denied": ("policy backup deny", []),
    "another policy": ("policy other", {"allow": ["/v1/status"]}),
    "a route is open": ("api /v1/status", {"skip_auth": "on"}),
    "another time limit": ("api /v1/ready timeout", "6s"),
    "another time in memory": ("cache expiry offline", "2h"),
    "another waiting period": ("deletion wait", "24h"),
    "another key": ("keys 1 name", "three"),
    "another place of keys": ("keystore etcd prefix", "/other/"),
    "another member": ("keystore etcd endpoint 1", "https://etcd-3:2379"),
    "no login": ("keystore etcd", {"endpoint": BASE["keystore"]["etcd"]["endpoint"], "tls": {"ca": "/etc/ca"}}),
    "another store": ("keystore", {"memory": {}}),
    "clients with a CA only": ("tls auth", "on"),
    "a proxy": ("tls proxy", {"identities": ["f" * 64]}),
    "answers need their audit line": ("audit", {"output": "stdout", "mode": "required"}),
}
SAME = {
    "another address": ("address", "10.0.0.1:7373"),
    "other TLS files": ("tls key", "/etc/other.key"),
    "another password": ("keystore etcd password", "other"),
    "other files of the key store": ("keystore etcd tls ca", "/srv/ca"),
    "another log": ("log", {"error": "off"}),
    "another audit file": ("audit", {"file": "/var/log/audit"}),
    "members in another order": ("keystore etcd endpoint", BASE["keystore"]["etcd"]["endpoint"][::-1]),
    "rules in another order": ("policy minio allow", BASE["policy"]["minio"]["allow"][::-1]),
    "a rule twice": ("policy minio allow", [*BASE["policy"]["minio"]["allow"], "/v1/key/decrypt/*"]),
    "identities in another order": ("policy minio identities", BASE["policy"]["minio"]["identities"][::-1]),
    "sections in another order": ("policy", dict(reversed(BASE["policy"].items()))),
    "an identity in capitals": ("admin identity", "A" * 64),
    "the default, written out": ("deletion wait", "168h"),
    "the default of a store, written out": ("keystore etcd prefix", "/openkes/keys/"),
    "a time written otherwise": ("cache expiry offline", "60m"),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_a_difference_that_matters(tmp_path: Path, case: str) -> None:
    place, value = DIFFERENT[case]
    assert digest_of(tmp_path, changed(place, value)) != digest_of(tmp_path, BASE)


@pytest.mark.parametrize("case", SAME)
def test_a_difference_that_does_not_matter(tmp_path: Path, case: str) -> None:
    place, value = SAME[case]
    assert digest_of(tmp_path, changed(place, value)) == digest_of(tmp_path, BASE)


def test_every_process_says_the_same(tmp_path: Path) -> None:
    expected = digest_of(tmp_path, BASE)
    assert len(expected) == 16
    program = (
        "import sys; from pathlib import Path; from openkes.config.load import load; "
        "from openkes.config.digest import digest; print(digest(load(Path(sys.argv[1]))))"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program, tmp_path / "config.yml"],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected


def test_it_does_not_change_from_release_to_release(tmp_path: Path) -> None:
    # Servers are upgraded one at a time, and compared meanwhile: with another value here every group would differ.
    assert digest_of(tmp_path, BASE) == "c2669ef352859c10"
