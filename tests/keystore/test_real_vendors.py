"""The conformance suite on a vendor's real service, when the environment names a corner of it that is empty; the pages
of the stores say how."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openkes.keystore import KeyNotFound, KeyStore
from openkes.keystore.entrust import EntrustStore
from openkes.keystore.fortanix import FortanixStore
from openkes.keystore.gemalto import GemaltoStore
from openkes.keystore.http import ClientTLS
from tests.keystore.conformance import Conformance

PREFIX = "OPENKES_TEST_"


def of(name: str) -> Callable[[], str]:
    return lambda: os.environ[PREFIX + name]


def tls(vendor: str) -> ClientTLS:
    ca = os.environ.get(f"{PREFIX}{vendor}_CA")
    return ClientTLS(ca=Path(ca) if ca else None)


def gemalto(url: str) -> KeyStore:
    return GemaltoStore(url, of("GEMALTO_TOKEN"), os.environ.get(f"{PREFIX}GEMALTO_DOMAIN", ""), tls("GEMALTO"))


def entrust(url: str) -> KeyStore:
    vault, box, *user = (of(f"ENTRUST_{name}") for name in ("VAULT", "BOX", "USERNAME", "PASSWORD"))
    return EntrustStore(url, vault(), box(), user[0], user[1], tls("ENTRUST"))


STORES: dict[str, Callable[[str], KeyStore]] = {
    "FORTANIX": lambda url: FortanixStore(url, of("FORTANIX_KEY"), of("FORTANIX_GROUP")(), tls("FORTANIX")),
    "GEMALTO": gemalto,
    "ENTRUST": entrust,
}
NAMED = [vendor for vendor in STORES if f"{PREFIX}{vendor}_ENDPOINT" in os.environ]
if not NAMED:
    pytest.skip("no real service is named: docs/stores/{fortanix,gemalto,entrust}.md", allow_module_level=True)


class TestRealService(Conformance):
    @pytest.fixture(params=NAMED)
    def store(self, request: pytest.FixtureRequest) -> Iterator[KeyStore]:
        url = of(f"{request.param}_ENDPOINT")()
        store = STORES[request.param](url)
        assert store.list("", 1).names == [], "name a corner without keys: in the end all that is there is deleted"
        try:
            yield store
        finally:
            store.close()
            store = STORES[request.param](url)  # the test may have closed its own
            for name in store.list("", 10_000).names:
                with contextlib.suppress(KeyNotFound):
                    store.delete(name)
            store.close()
