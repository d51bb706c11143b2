"""From `keystore:` settings to an open key store: the one place for server, check, migrate, backup and restore."""

from __future__ import annotations

from openkes.config.schema import FSSettings, KeyStoreSettings
from openkes.errors import OperatorError
from openkes.keystore import KeyStore, Unreachable
from openkes.keystore.fs import FileStore
from openkes.keystore.memory import MemoryStore


def open_store(settings: KeyStoreSettings) -> KeyStore:
    """The store, to be closed by the caller. OperatorError names what is missing."""
    if not isinstance(settings, FSSettings):
        return MemoryStore()
    try:
        return FileStore(settings.path)
    except Unreachable as error:
        raise OperatorError(str(error), "keystore.fs.path names the folder of the keys") from None
