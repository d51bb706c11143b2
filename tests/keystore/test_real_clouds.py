"""The conformance suite on a cloud's real service, when the environment names a place for it; the pages of the stores
say how. Nothing but names that begin with `openkes-test-` is touched."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator

import pytest

from openkes.keystore import KeyNotFound, KeyStore, Page, Status, Unreachable
from tests.keystore import test_azure
from tests.keystore.conformance import Conformance

PREFIX = "openkes-test-"
LISTED_SECONDS = 900.0  # lists are eventually consistent; AWS speaks of five minutes
FREE_SECONDS = 120.0  # from a deletion to a free name
NAMED = {
    "aws": os.environ.get("OPENKES_TEST_AWS_REGION", ""),
    "gcp": os.environ.get("OPENKES_TEST_GCP_PROJECT", ""),
    "azure": os.environ.get("OPENKES_TEST_AZURE_VAULT", ""),
}
pytestmark = pytest.mark.timeout(4 * 3600)
if not any(NAMED.values()):
    pytest.skip("no real service is named: docs/stores/{aws,gcp,azure}.md", allow_module_level=True)


def opened(kind: str) -> KeyStore:
    if kind == "aws":
        from openkes.keystore.aws import AWSStore

        return AWSStore(NAMED["aws"], os.environ.get("OPENKES_TEST_AWS_ENDPOINT", ""))
    if kind == "gcp":
        from openkes.keystore.gcp import GCPStore

        return GCPStore(NAMED["gcp"])
    from openkes.keystore.azure import AzureStore, login

    return AzureStore(NAMED["azure"], login.found())


class Corner:
    """Implements `KeyStore` on names of its own, for one test. `list` waits until the service lists what is there."""

    def __init__(self, kind: str) -> None:
        self._store = opened(kind)
        self._prefix = f"{PREFIX}{uuid.uuid4().hex[:6]}-"
        self._there: set[str] = set()
        self._never = threading.Event()

    def create(self, name: str, value: bytes) -> None:
        end = time.monotonic() + FREE_SECONDS
        while True:
            try:
                self._store.create(self._prefix + name, value)
            except Unreachable as error:
                # A name that this test has deleted may take a while to be free, where it gets free at all.
                if "restore-secret" not in str(error) or time.monotonic() > end:
                    raise
            else:
                self._there.add(name)
                return

    def get(self, name: str) -> bytes:
        return self._store.get(self._prefix + name)

    def replace(self, name: str, old: bytes, new: bytes) -> None:
        self._store.replace(self._prefix + name, old, new)

    def delete(self, name: str) -> None:
        self._store.delete(self._prefix + name)
        self._there.discard(name)

    def list(self, prefix: str, limit: int, start: str = "") -> Page:
        end = time.monotonic() + LISTED_SECONDS
        while self._names() != self._there:
            assert time.monotonic() < end, f"{sorted(self._names() ^ self._there)} are not listed as they are"
            self._never.wait(2.0)
        page = self._store.list(self._prefix + prefix, limit, self._prefix + start if start else "")
        cut = len(self._prefix)
        return Page([name[cut:] for name in page.names], page.continue_at[cut:])

    def _names(self) -> set[str]:
        return {name.removeprefix(self._prefix) for name in self._store.list(self._prefix, 10_000).names}

    def status(self) -> Status:
        return self._store.status()

    def close(self) -> None:
        self._store.close()

    def clear(self, kind: str) -> None:
        self._store.close()
        self._store = opened(kind)  # the test may have closed its own
        for name in self._there:
            with contextlib.suppress(KeyNotFound):
                self._store.delete(self._prefix + name)
        self._store.close()


def stored(kind: str) -> Callable[..., Iterator[KeyStore]]:
    @pytest.fixture
    def store(self: object) -> Iterator[KeyStore]:
        if not NAMED[kind]:
            pytest.skip(f"no real service is named: docs/stores/{kind}.md")
        corner = Corner(kind)
        yield corner
        corner.clear(kind)

    return store


#: With the prefix, of at most 80 characters.
ODD_NAMES = ["a", "0", "_a", "a_", "__", "a-b", "A", "CON", "x" * 60, "my-master-key"]


class TestRealAWS(Conformance):
    store = stored("aws")

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_odd_names(self, store: KeyStore, name: str) -> None:
        super().test_odd_names(store, name)


class TestRealGCP(Conformance):
    store = stored("gcp")

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_odd_names(self, store: KeyStore, name: str) -> None:
        super().test_odd_names(store, name)


class TestRealAzure(test_azure.TestAzureStore):
    store = stored("azure")

    @pytest.mark.parametrize("name", [name for name in ODD_NAMES if "_" not in name])
    def test_odd_names(self, store: KeyStore, name: str) -> None:
        Conformance.test_odd_names(self, store, name)

    def test_create_after_delete(self, store: KeyStore) -> None:
        store.create("key", b"first")
        store.delete("key")
        with pytest.raises(Unreachable, match="az keyvault secret recover --vault-name"):
            store.create("key", b"second")

    def test_names_differ_by_case(self, store: KeyStore) -> None:
        store.create("key", b"lower")
        with pytest.raises(Unreachable, match="does not tell upper from lower case"):
            store.create("KEY", b"upper")
        with pytest.raises(KeyNotFound):
            store.get("KEY")

    @pytest.mark.parametrize("name", [name for name in ODD_NAMES if "_" in name])
    def test_names_that_the_service_cannot_hold(self, store: KeyStore, name: str) -> None:
        with pytest.raises(Unreachable, match="Key Vault cannot hold a key named"):
            store.create(name, b"value")
