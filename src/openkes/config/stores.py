"""From `keystore:` settings to an open key store: the one place for server, check, migrate, backup and restore."""

from __future__ import annotations

from openkes.config import seal
from openkes.config.schema import FSSettings, KeyStoreSettings
from openkes.errors import OperatorError
from openkes.keystore import KeyStore, Unreachable
from openkes.keystore.fs import FileStore
from openkes.keystore.memory import MemoryStore
from openkes.keystore.seal_file import is_sealed_folder, unlock
from openkes.keystore.sealed import SealedStore


def open_store(settings: KeyStoreSettings, initialise: bool = True) -> KeyStore:
    """The store, to be closed by the caller; what it gives is unsealed. OperatorError names what is missing.
    `initialise` False: only look, as for a check."""
    if not isinstance(settings, FSSettings):
        return MemoryStore()
    # Before the folder is touched: a key that cannot be read must leave no half-made store.
    secret = seal.secret(settings.seal) if settings.seal else None
    try:
        store = FileStore(settings.path, initialise)
        if secret is None:
            if is_sealed_folder(settings.path):
                raise OperatorError(
                    f"the key store {settings.path} is sealed, and the configuration has no sealing key",
                    "set keystore.fs.seal to the key or passphrase it was sealed with",
                )
            return store
        return SealedStore(store, unlock(settings.path, store, secret, initialise))
    except Unreachable as error:
        raise OperatorError(str(error), "keystore.fs.path names the folder of the keys") from None
    except OSError as error:
        raise OperatorError(
            f"cannot use the key store {settings.path}: {error.filename}: {error.strerror}",
            "let the server's user own the folder (mode 0700) and its files (mode 0600)",
        ) from None


def describe(settings: KeyStoreSettings) -> str:
    """For messages: `folder /var/lib/kes, sealed`."""
    if not isinstance(settings, FSSettings):
        return "memory"
    return f"folder {settings.path}, sealed" if settings.seal else f"folder {settings.path}"
