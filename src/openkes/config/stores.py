"""From `keystore:` settings to an open key store: the one place for server, check, migrate, backup and restore."""

from __future__ import annotations

from openkes.config.schema import KeyStoreSettings
from openkes.errors import OperatorError
from openkes.keystore import KeyStore, LoginRefused, Unreachable

#: Seconds. Vault and OpenBao lock a login for everybody after five refusals within 15 minutes.
LOGIN_PAUSE = 300.0


def open_store(settings: KeyStoreSettings, initialise: bool = True) -> KeyStore:
    """The store, to be closed by the caller; what it gives is unsealed. OperatorError names what is missing.
    `initialise` False: only look, as for a check."""
    try:
        return settings.open(initialise)
    except Unreachable as error:
        raise unopened(settings, error) from None
    except OSError as error:
        raise OperatorError(
            f"cannot use the key store, {settings.describe()}: {error.filename}: {error.strerror}",
            "let the server's user own what is named here: folders with mode 0700, files with mode 0600",
        ) from None


def unopened(settings: KeyStoreSettings, error: Unreachable) -> OperatorError:
    """Of a store that cannot be used from the start."""
    return OperatorError(str(error), settings.hint, LOGIN_PAUSE if isinstance(error, LoginRefused) else 0.0)
