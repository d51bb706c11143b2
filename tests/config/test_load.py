"""The configuration: what is read, and one fault per test with file, line, cause and next step."""

from __future__ import annotations

from pathlib import Path

import pytest

from openkes.config.keystores.fs import FSSettings
from openkes.config.keystores.memory import MemorySettings
from openkes.config.load import load
from openkes.config.node import ConfigError

ID = "a" * 64
OTHER = "b" * 64
MINIMAL = "version: v1\ntls: {key: k.pem, cert: c.pem}\nkeystore: {memory: {}}\n"
FULL = f"""\
version: v1
address: 127.0.0.1:7374
admin:
  identity: ${{ADMIN}}
tls:
  key: server.key
  cert: server.cert
  auth: on
  ca: ca.pem
api:
  /v1/ready:
    skip_auth: true
    timeout: 1m30s
policy:
  minio:
    allow:
      - /v1/key/generate/my-key*
      - /v1/status
    deny:
      - /v1/key/generate/my-key-internal*
    identities:
      - {OTHER}
cache:
  expiry: {{any: 1h2m3s, unused: 500ms, offline: 0s}}
log: {{error: off, audit: on}}
audit: {{file: /var/log/audit.jsonl}}
keys:
  - name: my-key
keystore:
  fs: {{path: ./keys}}
"""


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config.yml"
    file.write_text(text)
    return file


def test_every_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN", ID)
    config = load(write(tmp_path, FULL))
    assert config.address == ("127.0.0.1", 7374)
    assert config.admin == ID
    assert (config.tls.key, config.tls.cert, config.tls.client_ca) == (
        Path("server.key"),
        Path("server.cert"),
        Path("ca.pem"),
    )
    assert config.tls.verify_clients
    assert config.api["/v1/ready"].skip_auth
    assert config.api["/v1/ready"].timeout == 90
    policy = config.policies["minio"]
    assert policy.identities == (OTHER,)
    assert policy.policy.allows("/v1/key/generate/my-key-1")
    assert not policy.policy.allows("/v1/key/generate/my-key-internal-1")
    assert (config.cache.any, config.cache.unused, config.cache.offline) == (3723, 0.5, 0)
    assert (config.log.error, config.log.audit, config.audit.file) == (False, True, Path("/var/log/audit.jsonl"))
    assert config.keys == ("my-key",)
    assert config.keystore == FSSettings(Path("keys"))


def test_the_least(tmp_path: Path) -> None:
    config = load(write(tmp_path, MINIMAL))
    assert config.address == ("0.0.0.0", 7373)
    assert config.admin is None
    assert config.keystore == MemorySettings()
    assert (config.cache.any, config.cache.unused, config.cache.offline) == (300, 30, 0)


@pytest.mark.parametrize("text", ["disabled"])
def test_no_admin(tmp_path: Path, text: str) -> None:
    assert load(write(tmp_path, MINIMAL + f"admin: {{identity: {text}}}\n")).admin is None


def test_an_identity_may_be_written_in_upper_case(tmp_path: Path) -> None:
    assert load(write(tmp_path, MINIMAL + f"admin: {{identity: {ID.upper()}}}\n")).admin == ID


@pytest.mark.parametrize(
    ("added", "line", "text", "hint"),
    [
        ("adress: 0.0.0.0:7373", 4, "unknown key 'adress'", "did you mean 'address'?"),
        ("log: {eror: on}", 4, "unknown key 'log.eror'", "did you mean 'error'?"),
        ("log:\n  error: on\n  qqq: on", 6, "unknown key 'log.qqq'", "known here: audit, error"),
        ("version: v1", 4, "'version' stands here a second time", "keep one"),
        ("log:\n  error: on\n  error: off", 6, "'log.error' stands here a second time", "keep one"),
        ("log: {error: 1:20}", 4, "'log.error' is '1:20'", "write on or off"),
        ("log: on", 4, "'log' needs a section", ""),
        ("keys: my-key", 4, "'keys' needs a list", ""),
        ("keys: [{name: -x}]", 4, "'-x' is not a valid name", "1 to 80"),
        ("keys: [{}]", 4, "'keys[0]' has no name", "- name:"),
        ("address: localhost", 4, "'localhost' is not an address", ""),
        ("address: 127.0.0.1:99999", 4, "is not an address", ""),
        ("address: ::1:7373", 4, "write an IPv6 address as [IP]:PORT", ""),
        ("admin: {}", 4, "'admin.identity' is missing", "disabled"),
        ("admin: {identity: root}", 4, "'admin.identity' is not an identity", "kes identity of"),
        ("admin: {identity: '${NOT_SET}'}", 4, "environment variable NOT_SET, which is not set", "set NOT_SET"),
        ("api: {/v1/redy: {skip_auth: on}}", 4, "unknown key 'api./v1/redy'", "did you mean '/v1/ready'?"),
        ("api: {/v1/key/create/: {skip_auth: on}}", 4, "cannot skip authentication", "/v1/ready"),
        ("api: {/v1/ready: {timeout: 15}}", 4, "'15', which is not a duration", "5m0s"),
        ("policy: {p: {allow: ['key']}}", 4, "does not start with '/'", ""),
        ("policy: {p: {allow: ['/v1/*/x']}}", 4, "only a last '*' is a wildcard", ""),
        (f"policy:\n  p: {{identities: [{ID}]}}\n  q: {{identities: [{ID}]}}", 6, "in policy 'p' and in 'q'", "keep"),
        (f"admin: {{identity: {ID}}}\npolicy: {{p: {{identities: [{ID}]}}}}", 5, "also in policy 'p'", "take it out"),
    ],
)
def test_a_fault_names_line_cause_and_next_step(tmp_path: Path, added: str, line: int, text: str, hint: str) -> None:
    file = write(tmp_path, MINIMAL + added + "\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert text in str(caught.value)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("whole", "text"),
    [
        ("", "it is empty"),
        ("version: v1\n  tls: x\n", ":2: not valid YAML"),
        ("version: [v1\n", "not valid YAML"),
        ("a: \x00\n", "not valid YAML"),
        ("keys: " + "[" * 1000, "a thousand deep"),
        ("- version\n", "the file needs a section"),
        ("version: v2\n", "version 'v2' is not known"),
        ("address: 0.0.0.0:1\n", "'version' is missing"),
        ("version: v1\nkeystore: {memory: {}}\n", "section 'tls' is missing"),
        ("version: v1\ntls: {key: k, cert: c}\n", "section 'keystore' is missing"),
        ("version: v1\ntls: {key: k}\nkeystore: {memory: {}}\n", "'tls.cert' is missing"),
        ("version: v1\ntls: {key: '', cert: c}\nkeystore: {memory: {}}\n", "'tls.key' is empty"),
        ("version: v1\ntls: {key: k, cert: c}\nkeystore: {}\n", "names 0 stores"),
        ("version: v1\ntls: {key: k, cert: c}\nkeystore: {memory: {}, fs: {path: x}}\n", "names 2 stores"),
        ("version: v1\ntls: {key: k, cert: c}\nkeystore: {fs: {}}\n", "'keystore.fs.path' is missing"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, whole: str, text: str) -> None:
    with pytest.raises(ConfigError, match=r".") as caught:
        load(write(tmp_path, whole))
    assert text in str(caught.value)


def test_a_variable_in_braces_needs_quotes_and_the_hint_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADMIN", ID)
    with pytest.raises(ConfigError, match=":4: not valid YAML") as caught:
        load(write(tmp_path, MINIMAL + "admin: {identity: ${ADMIN}}\n"))
    assert '"${NAME}"' in caught.value.hint
    assert load(write(tmp_path, MINIMAL + 'admin: {identity: "${ADMIN}"}\n')).admin == ID


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file") as caught:
        load(tmp_path / "config.yml")
    assert "--config" in caught.value.hint
