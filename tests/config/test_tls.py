"""The TLS files: one fault per test, one sentence each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openkes.config import tls
from openkes.config.schema import TLS
from openkes.errors import OperatorError
from openkes.identity import new_identity
from tests.contract.certificates import ca_pair


@pytest.fixture
def files(tmp_path: Path) -> TLS:
    return put(tmp_path)


def put(folder: Path, password: str | None = None, **options: object) -> TLS:
    secret = password.encode() if password else None
    pair = new_identity("localhost", ips=["127.0.0.1"], password=secret, **options)  # type: ignore[arg-type]
    (folder / "server.key").write_bytes(pair.key)
    (folder / "server.cert").write_bytes(pair.certificate)
    return TLS(folder / "server.key", folder / "server.cert")


def test_a_good_pair(files: TLS) -> None:
    material = tls.load(files)
    assert material.chain == files.cert.read_bytes()
    assert material.client_ca is None
    assert material.warning(datetime.now(UTC)) is None


def test_the_private_key_is_not_in_the_repr(files: TLS) -> None:
    assert "PRIVATE" not in repr(tls.load(files))


def test_a_pair_made_by_openssl_req_x509_serves(tmp_path: Path) -> None:
    key, certificate = ca_pair()
    (tmp_path / "key").write_bytes(key)
    (tmp_path / "cert").write_bytes(certificate)
    assert tls.load(TLS(tmp_path / "key", tmp_path / "cert")).chain == certificate


def test_an_encrypted_key(tmp_path: Path) -> None:
    files = put(tmp_path, "secret")
    material = tls.load(TLS(files.key, files.cert, "secret"))
    assert b"BEGIN PRIVATE KEY" in material.key


def test_warnings(tmp_path: Path) -> None:
    files = put(tmp_path, expiry=timedelta(days=3))
    material = tls.load(files)
    now = datetime.now(UTC)
    assert "expires in 2 days" in (material.warning(now) or "")
    assert "expired on" in (material.warning(now + timedelta(days=4)) or "")


def test_with_auth_on_the_ca_is_read(files: TLS, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(ca_pair()[1])
    material = tls.load(TLS(files.key, files.cert, verify_clients=True, client_ca=tmp_path / "ca.pem"))
    assert material.client_ca == (tmp_path / "ca.pem").read_bytes()


def test_with_auth_on_and_no_ca_the_system_counts(files: TLS) -> None:
    assert tls.load(TLS(files.key, files.cert, verify_clients=True)).client_ca == b""


def refused(settings: TLS) -> tuple[str, str]:
    with pytest.raises(OperatorError) as caught:
        tls.load(settings)
    return str(caught.value), caught.value.hint


def test_a_wrong_key_path(files: TLS, tmp_path: Path) -> None:
    text, hint = refused(TLS(tmp_path / "no.key", files.cert))
    assert text == f"cannot read {tmp_path}/no.key (tls.key): No such file or directory"
    assert "private key" in hint


@pytest.mark.parametrize("name", ["key", "cert"])
def test_an_empty_file(files: TLS, name: str) -> None:
    getattr(files, name).write_text("\n")
    assert refused(files)[0] == f"{getattr(files, name)} (tls.{name}) is empty"


def test_swapped_files(files: TLS) -> None:
    text, hint = refused(TLS(files.cert, files.key))
    assert "is not a PEM certificate" in text
    assert "swap" in hint


def test_a_key_that_is_a_certificate(files: TLS) -> None:
    text, hint = refused(TLS(files.cert, files.cert))
    assert "is not a PEM private key" in text
    assert "swap" in hint


def test_garbage_as_certificate(files: TLS) -> None:
    files.cert.write_text("garbage")
    assert "is not a PEM certificate" in refused(files)[0]


def test_a_key_of_another_certificate(files: TLS) -> None:
    files.key.write_bytes(new_identity().key)
    assert refused(files)[0] == f"{files.key} is not the key of certificate {files.cert}"


def test_an_encrypted_key_without_a_password(tmp_path: Path) -> None:
    text, hint = refused(put(tmp_path, "secret"))
    assert "is encrypted" in text
    assert "tls.password" in hint


def test_an_encrypted_key_with_a_wrong_password(tmp_path: Path) -> None:
    files = put(tmp_path, "secret")
    text, _ = refused(TLS(files.key, files.cert, "wrong"))
    assert "cannot be decrypted" in text
    assert "wrong" not in text


def test_a_ca_file_without_certificates(files: TLS, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    text, _ = refused(TLS(files.key, files.cert, verify_clients=True, client_ca=tmp_path / "ca.pem"))
    assert "holds no PEM certificate" in text
