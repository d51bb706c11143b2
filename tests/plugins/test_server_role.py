"""What role kes_server writes for audit, deletion and sealing: taken by the server's own reader, and in the unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from openkes.config.keystores.fs import FSSettings
from openkes.config.load import load
from openkes.config.schema import Audit, Seal, SealSource
from tests.plugins import conftest
from tests.servers import make_identity

from ansible_collections.openkes.kes.plugins.plugin_utils import keystore, server_config  # isort: skip

ROLE = conftest.ROOT / "roles/kes_server"
DEFAULTS = yaml.safe_load((ROLE / "defaults/main.yml").read_text())


def read(folder: Path, **sections: Any) -> Any:
    """What the server makes of a configuration with these sections."""
    tls = make_identity(folder, "server")
    base = {"version": "v1", "tls": {"key": str(tls.key), "cert": str(tls.cert)}, "keystore": {"memory": {}}}
    file = folder / "config.yml"
    file.write_text(yaml.safe_dump({**base, **sections}, sort_keys=False))
    return load(file)


@pytest.mark.parametrize(
    ("output", "mode", "chain", "expected"),
    [
        ("file", "best-effort", "auto", Audit("file", Path("/log/audit.jsonl"), False, True)),
        ("file", "required", "off", Audit("file", Path("/log/audit.jsonl"), True, False)),
        ("stdout", "required", "auto", Audit("stdout", None, True, False)),
        ("syslog", "best-effort", "on", Audit("syslog", None, False, True, "/run/log")),
    ],
)
def test_audit(tmp_path: Path, output: str, mode: str, chain: str, expected: Audit) -> None:
    section = server_config.audit_section(output, mode, chain, "/log/audit.jsonl", "/run/log")
    assert read(tmp_path, audit=section).audit == expected


def test_deletion_waits_as_long_as_without_the_role(tmp_path: Path) -> None:
    with_role = read(tmp_path, deletion={"wait": DEFAULTS["kes_server_deletion_wait"]})
    assert with_role.deletion_wait == read(tmp_path).deletion_wait


@pytest.mark.parametrize(
    ("supervisor", "seal"),
    [
        ("systemd", Seal(SealSource.CREDENTIAL, "kes-seal")),
        ("process", Seal(SealSource.FILE, "/etc/openkes/kes-seal")),
    ],
)
def test_a_sealed_key_store(tmp_path: Path, supervisor: str, seal: Seal) -> None:
    section = server_config.sealed({"fs": {"path": "/keys"}}, "/etc/openkes/kes-seal", supervisor)
    assert read(tmp_path, keystore=section).keystore == FSSettings(Path("/keys"), seal)


def test_without_a_sealing_key_the_key_store_is_as_given() -> None:
    assert server_config.sealed({"fs": {"path": "/keys"}}, "", "systemd") == {"fs": {"path": "/keys"}}


@pytest.mark.parametrize("keystore", [{"memory": {}}, {"fs": {"path": "/keys", "seal": {"key": {"file": "/k"}}}}])
def test_what_cannot_be_sealed_is_refused(keystore: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="kes_server_seal_key"):
        server_config.sealed(keystore, "/etc/openkes/kes-seal", "systemd")


@pytest.mark.parametrize(
    ("variables", "denied"),
    [
        ({"kes_server_engine": "required"}, True),
        ({"kes_server_engine": "preferred"}, False),
        ({"kes_server_engine": "python"}, False),
        ({"kes_server_engine": "preferred", "kes_server_release": {"has_engine": True}}, True),
        ({"kes_server_engine": "preferred", "kes_server_release": {"has_engine": False}}, False),
    ],
)
def test_only_the_compiled_engine_needs_no_executable_memory(variables: dict[str, Any], denied: bool) -> None:
    template = jinja2.Environment(trim_blocks=True).from_string((ROLE / "templates/openkes.service.j2").read_text())
    unit = template.render({**DEFAULTS, "kes_server_loaded": [], **variables})
    assert ("MemoryDenyWriteExecute=true" in unit.splitlines()) is denied


@pytest.mark.parametrize(
    ("key", "encrypted", "lines"),
    [
        ("", False, []),
        ("/etc/openkes/kes-seal", False, ["LoadCredential=kes-seal:/etc/openkes/kes-seal"]),
        ("/etc/credstore.encrypted/k", True, ["LoadCredentialEncrypted=kes-seal:/etc/credstore.encrypted/k"]),
    ],
)
def test_the_unit_hands_over_the_sealing_key(key: str, encrypted: bool, lines: list[str]) -> None:
    template = jinja2.Environment(trim_blocks=True).from_string((ROLE / "templates/openkes.service.j2").read_text())
    unit = template.render({**DEFAULTS, "kes_server_loaded": keystore.loaded([], key, encrypted)})
    assert [line for line in unit.splitlines() if line.startswith("LoadCredential")] == lines
