"""Two key servers on one store: what one does counts on the other, and both say whether they agree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from openkes.client import AnswerError
from tests.keystore import etcd_server
from tests.keystore.etcd_server import needs_etcd
from tests.server.test_running import change, reload, wait_for
from tests.servers import KeyServer, make_identity, running

pytestmark = needs_etcd
CACHE = {"expiry": {"any": "1s", "unused": "1s"}}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[KeyServer, KeyServer]]:
    """With addresses, TLS keys and audit files of their own, and one admin."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    admin = make_identity(folders[0], "root")
    for file in (admin.key, admin.cert):
        (folders[1] / file.name).write_bytes(file.read_bytes())
    with etcd_server.running(tmp_path / "etcd") as cluster:
        keystore = {"etcd": {"endpoint": cluster.urls[0]}}
        one, two = ({"keystore": keystore, "cache": CACHE, "audit": {"file": str(f / "audit")}} for f in folders)
        with running(folders[0], one) as first, running(folders[1], two) as second:
            yield first, second


def digests(*servers: KeyServer) -> set[str]:
    found = set()
    for server in servers:
        with server.client() as client:
            found.add(client.status()["configuration"])
    return found


def test_they_agree_until_one_is_changed_and_again_when_both_are(pair: tuple[KeyServer, KeyServer]) -> None:
    before = digests(*pair)
    assert len(before) == 1
    policy = {"minio": {"allow": ["/v1/key/generate/*"], "identities": ["b" * 64]}}
    change(pair[0], policy=policy)
    reload(pair[0])
    assert len(digests(*pair)) == 2
    change(pair[1], policy=policy)
    reload(pair[1])
    after = digests(*pair)
    assert len(after) == 1
    assert after != before


def test_what_a_reload_cannot_change_is_told_as_it_runs(pair: tuple[KeyServer, KeyServer]) -> None:
    before = digests(*pair)
    change(pair[0], keystore={"memory": {}})
    reload(pair[0])
    assert digests(*pair) == before
    reload(pair[0])
    assert pair[0].stderr.count("change with a restart only") == 2  # it is said as long as it holds


def test_what_one_does_counts_on_the_other(pair: tuple[KeyServer, KeyServer]) -> None:
    with pair[0].client() as one, pair[1].client() as two:
        one.create_key("key")
        plaintext, ciphertext = one.generate("key")
        assert two.decrypt("key", ciphertext) == plaintext
        one.rotate_key("key")
        newer = one.generate("key")
        assert two.decrypt("key", newer[1]) == newer[0]  # though two has just read the older version
        one.delete_key("key")

        def gone() -> bool:
            try:
                two.generate("key")
            except AnswerError as error:
                return error.status == 404
            return False

        wait_for(gone, lambda: pair[1].stderr)
        assert list(two.pending_keys()) == ["key"]  # two has found out
        assert two.list_keys()[0] == []
        two.undelete_key("key")
        assert one.decrypt("key", newer[1]) == newer[0]
