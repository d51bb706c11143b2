"""What `kes server check` checks, and a start says: TLS files, and what the key store allows. Starts nothing."""

from __future__ import annotations

import stat
from datetime import UTC, datetime

from openkes.config import tls
from openkes.config.schema import Config, KeyStoreSettings
from openkes.config.stores import open_store
from openkes.errors import OperatorError
from openkes.front import TLSFiles, TLSFilesError
from openkes.front.tls import check as check_files
from openkes.keystore.probe import ProbeFailed, probe


def check(config: Config) -> list[str]:
    """What `kes server check` checks: the TLS files. Returns warnings; OperatorError otherwise.

    An expired certificate is an error here: nobody should roll it out; a server that restarts merely warns."""
    material = tls.load(config.tls)
    now = datetime.now(UTC)
    warning = material.warning(now)
    if warning is not None and material.not_after <= now:
        raise OperatorError(f"{config.tls.cert}: {warning}", "make a new certificate on the same key")
    try:
        check_files(TLSFiles(material.chain, material.key, material.client_ca))
    except TLSFilesError as error:
        raise OperatorError(f"{config.tls.key}: {error}", "a server would not start with these files") from None
    return [text for text in (f"{config.tls.cert}: {warning}" if warning else "", exposed(config)) if text]


def check_store(settings: KeyStoreSettings) -> str:
    """Log in and try out every permission with a key of its own; returns what was found. OperatorError."""
    if not settings.lasting:
        return settings.describe()
    if settings.absent():
        # The server makes it with its own user as owner; a check by root must not come first.
        settings.check_absent()
        return f"{settings.describe()}: is made when the server starts"
    store = open_store(settings, initialise=False)
    try:
        probe(store)
    except ProbeFailed as error:
        raise OperatorError(str(error), "grant it to the server, then check again") from None
    finally:
        store.close()
    return f"{settings.describe()}: create, read, list and delete work"


def exposed(config: Config) -> str:
    """Said, not refused: MinIO's page of 2021 makes such files, and the server's key opens no data."""
    key = config.tls.key
    try:
        readable = bool(key.stat().st_mode & stat.S_IROTH)
    except OSError:
        return ""  # being replaced
    return "" if not readable else f"{key} (tls.key) can be read by every user of this machine: chmod o= {key}"
