"""A server from a configuration to its end: stores, doors, front, signals.

Owns the order of starting, reloading and stopping. SIGTERM and SIGINT drain; SIGHUP reads the configuration and
the TLS files again, and keeps everything as it was when one of them is wrong.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import queue
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from openkes import front
from openkes.cli import auditing, latency
from openkes.cli.checks import exposed
from openkes.cli.harden import harden
from openkes.cli.watch import FileWatch
from openkes.config import tls
from openkes.config.schema import Config, KeyStoreSettings
from openkes.config.stores import open_store, unopened
from openkes.errors import OperatorError
from openkes.front.wsgi import application_from_wsgi
from openkes.identity.chain import Authority
from openkes.keystore import KeyExists, KeyStore, Unreachable
from openkes.keystore.cache import KeyCache
from openkes.keystore.lifecycle import Lifecycle, NotReadBack
from openkes.keystore.measured import MeasuredStore
from openkes.keystore.watched import WatchedStore
from openkes.server import keys
from openkes.server.app import create_app
from openkes.server.hot import create_door
from openkes.server.logs import ErrorLines
from openkes.server.metrics import Metrics
from openkes.server.refused import create_witness
from openkes.server.state import Settings, State
from openkes.server.upkeep import Upkeep

_log = logging.getLogger("openkes.server")

WATCH_INTERVAL = 2.0  # seconds between looks at the TLS files

#: Of a configuration, what a reload leaves as it is.
_FIXED = ("address", "keystore", "keys")

#: Reads the configuration again, for SIGHUP.
Loader = Callable[[], Config]


@dataclass(slots=True)
class Running:
    """A started server; `stop` drains it."""

    config: Config
    state: State
    front: front.Front
    upkeep: Upkeep
    watch: FileWatch
    errors: ErrorLines

    def reload(self, load: Loader) -> None:
        """Everything but address, key store and `keys`; OperatorError changes nothing."""
        config = load()
        material = _material(config)
        fixed = {name: getattr(self.config, name) for name in _FIXED}
        if any(getattr(config, name) != value for name, value in fixed.items()):
            _log.warning("address, keystore and keys change with a restart only; the rest is reloaded")
        config = dataclasses.replace(config, **fixed)  # what runs, and is told of itself
        settings = Settings.of(config)
        audit = auditing.reopened(self.state.audit, config)
        try:
            self._adopt(material)
        except OperatorError:
            auditing.put_back(self.state.audit, audit, self.config)
            raise
        self.state.settings, self.state.audit, self.config = settings, audit, config
        self.state.lifecycle.wait = config.deletion_wait
        self.state.keys.expiry = config.cache
        _listen_to_errors(self.errors, config.log.error)

    def reload_tls(self) -> None:
        """The TLS files alone; OperatorError changes nothing."""
        self._adopt(_material(self.config))

    def _adopt(self, material: tls.Material) -> None:
        authority = _authority(material)
        try:
            self.front.reload(front.TLSFiles(material.chain, material.key, material.client_ca))
        except front.TLSFilesError as error:
            raise OperatorError(str(error), "mend the files that 'tls:' names") from None
        self.state.client_authority = authority
        self.state.certificate_not_after = material.not_after.timestamp()

    def stop(self) -> None:
        _listen_to_errors(self.errors, False)
        # Streams end first: they would hold up the drain.
        self.upkeep.stop()
        self.state.audit_lines.close()
        self.state.error_lines.close()
        self.front.stop()
        self.state.audit.close()
        self.state.keys.store.close()


def start(config: Config, engine: bool | None = None) -> Running:
    """OperatorError names what is missing, taken or unreadable, and what to do."""
    harden()
    latency.shorten_turns()
    # A connection is a descriptor, and the soft limit is often 1,024: too few for a fleet.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    watch = FileWatch(_tls_paths(config))  # before they are read: a change from now on is seen
    material = _material(config)
    metrics = Metrics()
    store = WatchedStore(MeasuredStore(opened(config.keystore), metrics.observe_store))
    cache = KeyCache(store, config.cache)
    store.listen(cache.store_away)
    lifecycle = Lifecycle(cache, config.deletion_wait)
    _create_missing(config, lifecycle)
    state = State(Settings.of(config), cache, auditing.opened(config), lifecycle, metrics)
    state.certificate_not_after = material.not_after.timestamp()
    state.client_authority = _authority(material)
    errors = ErrorLines(state.error_lines)
    _listen_to_errors(errors, config.log.error)
    application = application_from_wsgi(create_app(state).wsgi_app)
    files = front.TLSFiles(material.chain, material.key, material.client_ca)
    host, port = config.address
    try:
        door, witness = create_door(state), create_witness(state)
        running = front.start(host, port, files, door, application, refused=witness, engine=engine)
    except front.TLSFilesError as error:
        raise OperatorError(str(error), "mend the files that 'tls:' names") from None
    except front.CannotRun as error:
        raise OperatorError(str(error), error.hint) from None
    except OSError as error:
        text = f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}"
        raise OperatorError(text, _listen_hint(error, port)) from None
    upkeep = Upkeep(lifecycle)
    store.start()
    upkeep.start()
    latency.settle()
    return Running(config, state, running, upkeep, watch, errors)


def opened(settings: KeyStoreSettings) -> KeyStore:
    """The key store, which answers. A server without it would refuse every call: better none, whose starts are tried
    again, and whose clients go to another. OperatorError."""
    store = open_store(settings)
    try:
        store.status()
    except Unreachable as error:
        store.close()
        raise unopened(settings, error) from None
    return store


Signals = queue.SimpleQueue[int]


def catch_signals() -> Signals:
    """SIGTERM, SIGINT and SIGHUP from now on. Before `start`: a SIGHUP that comes early must not end the process."""
    signals: Signals = queue.SimpleQueue()
    for handled in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(handled, lambda received, _: signals.put(received))
    return signals


def rest(seconds: float, signals: Signals) -> None:
    """Nothing but wait for SIGTERM or SIGINT, so long at most."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(queue.Empty):
        while signals.get(timeout=max(0.0, deadline - time.monotonic())) == signal.SIGHUP:
            pass


def wait(running: Running, load: Loader | None, signals: Signals) -> None:
    """Until SIGTERM or SIGINT. Blocks the calling (main) thread."""
    while True:
        try:
            number = signals.get(timeout=WATCH_INTERVAL)
        except queue.Empty:
            if running.watch.changed(_tls_paths(running.config)):
                _reload_tls(running)
            continue
        if number != signal.SIGHUP:
            _log.info("%s: finishing what runs, then stopping", signal.Signals(number).name)
            return
        if load is None:
            _log.warning("SIGHUP: there is no configuration file to read again")
            continue
        try:
            running.reload(load)
        except OperatorError as error:
            _log.error("SIGHUP: %s%s; everything stays as it was", error, f" ({error.hint})" if error.hint else "")
        else:
            _log.info("SIGHUP: configuration and TLS files reloaded")


def _authority(material: tls.Material) -> Authority | None:
    return None if material.client_ca is None else Authority(material.client_ca)


def _listen_to_errors(errors: ErrorLines, wanted: bool) -> None:
    logger = logging.getLogger("openkes")
    if wanted:
        logger.addHandler(errors)  # a second time does nothing
    else:
        logger.removeHandler(errors)


def _tls_paths(config: Config) -> list[Path]:
    named = (config.tls.key, config.tls.cert, config.tls.client_ca)
    return [path for path in named if path is not None]


def _reload_tls(running: Running) -> None:
    try:
        running.reload_tls()
    except OperatorError as error:
        # Key and certificate are replaced one after the other: the next look finds both.
        _log.warning("TLS files changed, and cannot be used (yet): %s; the old ones stay", error)
    else:
        _log.info("TLS files changed: reloaded")


def _material(config: Config) -> tls.Material:
    material = tls.load(config.tls)
    warning = material.warning(datetime.now(UTC))
    for text in (warning, exposed(config)):
        if text:
            _log.warning("%s", text)
    return material


def _create_missing(config: Config, lifecycle: Lifecycle) -> None:
    for name in config.keys:
        try:
            keys.create(lifecycle, name, config.admin or "")
        except KeyExists:
            continue
        except (Unreachable, NotReadBack) as error:
            raise OperatorError(f"cannot create key {name}: {error}") from None
        _log.info("created key %s", name)


def _listen_hint(error: OSError, port: int) -> str:
    match os.strerror(error.errno or 0):
        case "Address already in use":
            return f"stop what listens on port {port} (ss -ltnp 'sport = :{port}'), or choose another address"
        case "Permission denied":
            return "ports below 1024 need CAP_NET_BIND_SERVICE; 7373 does not"
        case _:
            return "name an address of this machine, or 0.0.0.0 for every interface"
