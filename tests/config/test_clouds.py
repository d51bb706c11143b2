"""Settings of the clouds' key stores: every one of upstream's is accepted, and what is wrong is said with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from openkes.config.load import load_keystore
from openkes.config.node import ConfigError
from openkes.config.schema import KeyStoreSettings

SECRET = "hunter2-hunter2"
AWS = """keystore:
  aws:
    secretsmanager:
      endpoint: secretsmanager.us-east-2.amazonaws.com
      region: us-east-2
      kmskey: alias/kes
      credentials:
        accesskey: AKIA
        secretkey: hunter2-hunter2
        token: hunter2-hunter2
"""
GCP = """keystore:
  gcp:
    secretmanager:
      project_id: my-project
      endpoint: secretmanager.googleapis.com:443
      scopes:
        - https://www.googleapis.com/auth/cloud-platform
      credentials:
        client_email: kes@my-project.iam.gserviceaccount.com
        client_id: "1"
        private_key_id: bf2d
        private_key: hunter2-hunter2
"""
AZURE = """keystore:
  azure:
    keyvault:
      endpoint: https://kes.vault.azure.net/
      credentials:
        tenant_id: t
        client_id: c
        client_secret: hunter2-hunter2
"""
#: As in upstream's sample, where what is not needed is there and empty.
EMPTY = {
    "aws": 'keystore: {aws: {secretsmanager: {endpoint: "", region: "", kmskey: "", credentials: {accesskey: "",'
    ' secretkey: "", token: ""}}}}',
    "gcp": 'keystore: {gcp: {secretmanager: {project_id: p, endpoint: "", scopes: [""], credentials: {client_email: "",'
    ' client_id: "", private_key_id: "", private_key: ""}}}}',
    "azure": 'keystore: {azure: {keyvault: {endpoint: "https://kes.vault.azure.net", credentials: {tenant_id: "",'
    ' client_id: "", client_secret: ""}, managed_identity: {client_id: ""}}}}',
}


def read(folder: Path, text: str) -> KeyStoreSettings:
    (folder / "config.yml").write_text(text)
    return load_keystore(folder / "config.yml")


@pytest.mark.parametrize(
    ("text", "described"),
    [
        (AWS, "AWS Secrets Manager, https://secretsmanager.us-east-2.amazonaws.com"),
        (GCP, "Google Secret Manager, project my-project"),
        (AZURE, "Azure Key Vault https://kes.vault.azure.net"),
    ],
)
def test_everything_of_upstream_is_accepted_and_no_secret_shown(tmp_path: Path, text: str, described: str) -> None:
    settings = read(tmp_path, text)
    assert settings.describe() == described
    assert SECRET not in repr(settings) + str(settings)
    assert settings == read(tmp_path, text)


@pytest.mark.parametrize("text", EMPTY.values(), ids=EMPTY)
def test_what_is_written_and_left_empty_is_not_set(tmp_path: Path, text: str) -> None:
    assert getattr(read(tmp_path, text), "credentials") is None


def test_the_same_place_whatever_the_login(tmp_path: Path) -> None:
    for text in (AWS, GCP, AZURE):
        other = text.replace(SECRET, "another")
        assert read(tmp_path, text) != read(tmp_path, other)
        assert read(tmp_path, text).place() == read(tmp_path, other).place()


@pytest.mark.parametrize("text", ["managed_identity: {}", "managed_identity: {client_id: c}"])
def test_a_managed_identity(tmp_path: Path, text: str) -> None:
    vault = "endpoint: https://kes.vault.azure.net"
    settings = read(tmp_path, f"keystore: {{azure: {{keyvault: {{{vault}, {text}}}}}}}")
    assert getattr(settings, "managed_identity") == ("c" if "client_id" in text else "")


@pytest.mark.parametrize(
    ("text", "old", "new", "line", "wrong", "hint"),
    [
        (AWS, "region:", "regoin:", 5, "unknown key 'keystore.aws.secretsmanager.regoin'", "did you mean 'region'?"),
        (
            AWS,
            "        accesskey: AKIA\n",
            "",
            7,
            "credentials.accesskey' is missing",
            "a login needs all of: accesskey,",
        ),
        (AWS, "secretsmanager.us", "http://secretsmanager.us", 4, "in the clear", "write https://, not http://"),
        (AWS, "AKIA", "{fil: x}", 8, "unknown key 'keystore.aws.secretsmanager.credentials.accesskey.fil'", "file"),
        (
            GCP,
            "      project_id: my-project\n",
            "",
            3,
            "'keystore.gcp.secretmanager.project_id' is missing",
            "name the",
        ),
        (
            GCP,
            "my-project\n",
            "My Project\n",
            4,
            "is 'My Project', which is no project",
            "write its id, like my-project",
        ),
        (
            GCP,
            "private_key: hunter2-hunter2",
            "private_key:",
            8,
            "credentials.private_key' is missing",
            "a login needs",
        ),
        (
            AZURE,
            "      endpoint: https://kes.vault.azure.net/\n",
            "",
            3,
            "keyvault.endpoint' is missing",
            "name the vault",
        ),
        (AZURE, "https://kes", "http://kes", 4, "in the clear", "write https://, not http://"),
        (AZURE, "https://kes.vault.azure.net/", "http://127.0.0.1:1", 4, "is 'http://127.0.0.1:1'", "write https://"),
        (
            AZURE,
            "      credentials:",
            "      managed_identity: {}\n      credentials:",
            5,
            "names two logins",
            "keep one",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    tmp_path: Path, text: str, old: str, new: str, line: int, wrong: str, hint: str
) -> None:
    assert text.count(old) == 1
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text.replace(old, new))
    assert str(error.value).startswith(f"{tmp_path}/config.yml:{line}: ")
    assert wrong in str(error.value)
    assert hint in error.value.hint
    assert SECRET not in str(error.value) + error.value.hint


def test_a_private_key_has_all_its_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a file, and from Google's JSON, where an end of a line is two characters."""
    from openkes.keystore import gcp

    seen = []
    monkeypatch.setattr(gcp, "GCPStore", lambda project, endpoint, scopes, account: seen.append(account()))
    file = tmp_path / "key.pem"
    file.touch(mode=0o600)
    file.write_text("-----BEGIN\nline\n-----END\n")
    read(tmp_path, GCP.replace(SECRET, f"{{file: {file}}}")).open()
    monkeypatch.setenv("KEY", "-----BEGIN\\nline\\n-----END\\n")
    read(tmp_path, GCP.replace(SECRET, "${KEY}")).open()
    assert [account.key for account in seen] == ["-----BEGIN\nline\n-----END\n"] * 2
    assert "line" not in repr(seen)


@pytest.mark.parametrize("kind", ["aws", "gcp", "azure"])
def test_an_sdk_is_loaded_by_nobody_who_has_not_chosen_it(tmp_path: Path, kind: str) -> None:
    import subprocess
    import sys

    (tmp_path / "config.yml").write_text({"aws": AWS, "gcp": GCP, "azure": AZURE}[kind])
    program = (
        "import sys; from pathlib import Path; from openkes.config.load import load_keystore;"
        f" load_keystore(Path({str(tmp_path / 'config.yml')!r}));"
        " print([m for m in ('boto3', 'botocore', 'google.auth', 'azure.core', 'requests') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
