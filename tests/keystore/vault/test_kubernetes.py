"""Login by a Kubernetes service account: the real OpenBao asks for a TokenReview, and answers with a token."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from openkes.config.load import load_keystore
from openkes.config.stores import open_store
from openkes.errors import OperatorError
from openkes.keystore import KeyStore, Unreachable
from openkes.keystore.vault.login import Kubernetes
from tests.keystore import kubernetes
from tests.keystore.bao import Bao
from tests.keystore.kubernetes import Cluster
from tests.keystore.vault.site import Site, site


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with kubernetes.serving() as serving:
        yield serving


@pytest.fixture
def method(bao: Bao, cluster: Cluster) -> str:
    """A login method of this test, whose role `kes` is bound to the account kes in minio."""
    path = f"kubernetes-{uuid.uuid4()}"
    bao.call("POST", f"sys/auth/{path}", {"type": "kubernetes"})
    config = {
        "kubernetes_host": cluster.url,
        "kubernetes_ca_cert": cluster.ca,
        "token_reviewer_jwt": kubernetes.REVIEWER,
        "disable_local_ca_jwt": True,
    }
    bao.call("POST", f"auth/{path}/config", config)
    role = {
        "bound_service_account_names": "kes",
        "bound_service_account_namespaces": "minio",
        "token_policies": ["all"],
        "token_ttl": "1h",
    }
    bao.call("POST", f"auth/{path}/role/kes", role)
    return path


@pytest.fixture
def kv(bao: Bao) -> Iterator[Site]:
    made = site(bao, 2)
    yield made
    made.close()


@pytest.fixture
def file(tmp_path: Path, cluster: Cluster) -> Path:
    """As the kubelet writes it: readable for everybody in the pod."""
    path = tmp_path / "token"
    path.write_text(cluster.token())
    path.chmod(0o644)
    return path


def configured(folder: Path, kv: Site, *lines: str) -> KeyStore:
    """A store by a configuration file."""
    text = [
        "keystore:",
        "  vault:",
        f"    endpoint: {kv.bao.url}",
        f"    engine: {kv.layout.engine}",
        f"    version: v{kv.layout.version}",
        f"    prefix: {kv.layout.prefix}",
        f"    tls: {{ca: {kv.bao.ca}}}",
        "    kubernetes:",
        *(f"      {line}" for line in lines),
    ]
    (folder / "config.yml").write_text("\n".join(text) + "\n")
    store = open_store(load_keystore(folder / "config.yml"))
    kv.opened.append(store)
    return store


def test_by_the_file_which_is_read_anew_for_each_login(
    tmp_path: Path, kv: Site, method: str, cluster: Cluster, file: Path
) -> None:
    store = configured(tmp_path, kv, f"engine: {method}", "role: kes", f"file: {file}")
    store.create("key", b"entry")
    assert cluster.asked == 1
    cluster.tokens.clear()
    file.write_text(cluster.token())
    _revoke_all(kv.bao, method)
    assert store.get("key") == b"entry"
    assert cluster.asked == 2


def _revoke_all(bao: Bao, method: str) -> None:
    bao.call("PUT", f"sys/leases/revoke-prefix/auth/{method}/login")


@pytest.mark.parametrize("form", ["jwt: {file}", "jwt: {token}"])
def test_by_what_upstream_calls_jwt(tmp_path: Path, kv: Site, method: str, file: Path, form: str) -> None:
    line = form.format(file=file, token=file.read_text())
    store = configured(tmp_path, kv, f"engine: {method}", "role: kes", line)
    store.create("key", b"entry")
    assert kv.fields("key") == {"key": "entry"}


def test_another_account_is_refused(kv: Site, method: str, cluster: Cluster) -> None:
    login = Kubernetes("kes", lambda: cluster.token("other"), method)
    with pytest.raises(Unreachable, match=r"service account name not authorized.*bound to this service account"):
        kv.open(login=login)


def test_a_token_that_kubernetes_does_not_know_is_refused_and_the_next_one_is_taken(
    kv: Site, method: str, cluster: Cluster
) -> None:
    token = cluster.token()
    store = kv.open(login=Kubernetes("kes", lambda: token, method))
    store.create("key", b"entry")
    known = dict(cluster.tokens)
    cluster.tokens.clear()
    _revoke_all(kv.bao, method)
    with pytest.raises(Unreachable, match=f"login at auth/{method} is refused"):
        store.get("key")
    cluster.tokens |= known
    assert store.get("key") == b"entry"


def test_a_file_that_is_not_there_names_the_setting(tmp_path: Path, kv: Site, method: str) -> None:
    with pytest.raises(OperatorError, match=r"cannot read .*nowhere \(keystore\.vault\.kubernetes\)"):
        configured(tmp_path, kv, f"engine: {method}", "role: kes", f"file: {tmp_path}/nowhere")
