"""Trial: hundreds of odd client certificates against a running server.

    python -m tests.trials.certificates [--engine engine|python] [--flips N]

Counts as accepted: the request came through TLS and past the check of the certificate. Then the identity in the audit
log must be that of the key which the certificate shows, which must be the one that signed the handshake, and the
certificate must not be a CA's. Whatever is refused must be refused with a reason. Afterwards a good client is served.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import tempfile
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from openkes import front
from tests.sdk.programs import build, go_command
from tests.servers import KeyServer, running
from tests.trials import der
from tests.trials.cases import Case, Cases, May
from tests.trials.material import says_ca

REFUSED = 400
NOT_ALLOWED = 403  # past the check: the identity is in no policy


@dataclass(frozen=True, slots=True)
class Outcome:
    """`text` is what a refused client gets to read."""

    accepted: bool
    text: str


@dataclass(slots=True)
class Result:
    """Outcomes by kind, and what must not be."""

    outcomes: dict[str, Counter[Outcome]] = field(default_factory=lambda: defaultdict(Counter))
    findings: list[str] = field(default_factory=list)
    shown: int = 0

    def table(self) -> str:
        lines = []
        for kind, counts in self.outcomes.items():
            for outcome, count in counts.most_common():
                what = "accepted" if outcome.accepted else outcome.text
                lines.append(f"{count:5}  {kind:45} {what}")
        return "\n".join(lines)


def trial(engine: str, auth: str, cases: Cases, versions: Iterable[int] = (13,)) -> Result:
    """Show all cases to a fresh server. AssertionError when the server dies or a good client is not served."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ca.crt").write_text(_armour(cases.ca.certificate))
        # The admin and the server's certificate are made by `running`; the CA must know the good client.
        tls: dict[str, object] = {"key": str(folder / "server.key"), "cert": str(folder / "server.cert")}
        if auth == "on":
            tls |= {"auth": "on", "ca": str(folder / "all.crt")}
        _trust(folder)
        with running(folder, {"tls": tls}, environment={"OPENKES_ENGINE": engine}) as server:
            result = _show(server, auth, list(cases), list(versions))
            with server.client() as good:
                good.version()
            server.check_alive()
        log = server.stderr
        for sign in ("Traceback", "panicked", "internal error", "door failed"):
            if sign in log:
                result.findings.append(f"the server's log has: {log[log.index(sign) - 200 : log.index(sign) + 600]}")
        return result


def _trust(folder: Path) -> None:
    """The CAs of `auth: on`: the trial's, and the good client, which has signed itself."""
    from tests.servers import make_identity

    admin = make_identity(folder, "root")
    make_identity(folder, "server")
    (folder / "all.crt").write_text((folder / "ca.crt").read_text() + admin.cert.read_text())


def _armour(certificate: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{b64encode(certificate).decode()}\n-----END CERTIFICATE-----\n"


def _show(server: KeyServer, auth: str, cases: list[Case], versions: list[int]) -> Result:
    shown = [(case, version) for version in versions for case in cases]
    keys = sorted({case.key for case in cases})
    request = {
        "address": f"127.0.0.1:{server.port}",
        "keys": keys,
        "cases": [
            {
                "id": i,
                "version": version,
                "chain": [b64encode(one).decode() for one in case.chain],
                "key": keys.index(case.key),
            }
            for i, (case, version) in enumerate(shown)
        ],
    }
    done = subprocess.run(
        [build(go_command(), Path(__file__).parent) / "certificates"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
        env={"GODEBUG": "rsa1024min=0"},
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    result = Result(shown=len(shown))
    accepted: dict[int, Case] = {}
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(shown)
    for answer in sorted(answers, key=lambda answer: int(answer["id"])):
        case, version = shown[answer["id"]]
        outcome, unclear = _judge(answer)
        result.outcomes[case.kind][outcome] += 1
        may = case.on if auth == "on" else case.off
        where = f"{case.kind} (case {answer['id']}, TLS 1.{version - 10})"
        if unclear:
            result.findings.append(f"{where}: no clear answer: {outcome.text}")
        if (may is May.ACCEPT and not outcome.accepted) or (may is May.REFUSE and outcome.accepted):
            result.findings.append(f"{where}: should {may.value}, but: {outcome}")
        if outcome.accepted:
            accepted[answer["id"]] = case
    result.findings += _check_accepted(server, accepted)
    return result


def _judge(answer: dict[str, object]) -> tuple[Outcome, bool]:
    """The outcome, and whether it is unclear."""
    text = str(answer["error"])
    if text:
        clear = text.startswith("remote error: tls: ") or "doesn't support any of the certificate's signature" in text
        return Outcome(False, text), not clear
    status, body = int(str(answer["status"])), str(answer["body"])
    message = str(json.loads(body)["message"])
    if status == NOT_ALLOWED:
        return Outcome(True, ""), False
    return Outcome(False, f"{status} {message}"), status != REFUSED or "certificate" not in message


def _check_accepted(server: KeyServer, accepted: dict[int, Case]) -> list[str]:
    """Findings about whom the server took the accepted ones for."""
    findings = []
    identities = {}
    server_lines = [json.loads(line) for line in server.stdout.splitlines() if line.startswith('{"time"')]
    for line in server_lines:
        identities[line["request"]["path"]] = line["request"]["identity"]
    for number, case in accepted.items():
        where = f"{case.kind} (case {number})"
        try:
            shown, is_ca = der.spki_of(case.chain[0]), says_ca(case.chain[0])
        except IndexError:
            findings.append(f"{where}: accepted, and cannot be read")
            continue
        if is_ca:
            findings.append(f"{where}: accepted, and is a CA's")
        if identities.get(f"/v1/key/describe/case-{number}") != hashlib.sha256(shown).hexdigest():
            findings.append(f"{where}: taken for somebody else")
        if not _same_key(shown, case.spki):
            findings.append(f"{where}: shows another key than the one that signed")
    return findings


def _same_key(shown: bytes, proved: bytes) -> bool:
    if shown == proved:
        return True
    # The same key may be written in more than one way.
    one, other = (serialization.load_der_public_key(data) for data in (shown, proved))
    return one == other


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.trials.certificates")
    parser.add_argument("--engine", choices=("engine", "python"), action="append")
    parser.add_argument("--flips", type=int, default=400, help="how many of the random changes")
    asked = parser.parse_args()
    engines = asked.engine or (["engine", "python"] if front.have_engine() else ["python"])
    bad = 0
    for engine in engines:
        for auth in ("off", "on"):
            result = trial(engine, auth, Cases(asked.flips, big=True), versions=(13, 12))
            total = sum((counts for counts in result.outcomes.values()), Counter[Outcome]())
            taken = sum(count for outcome, count in total.items() if outcome.accepted)
            print(f"\n== engine {engine}, tls.auth {auth}: {result.shown} shown, {taken} accepted,", end=" ")
            print(f"{result.shown - taken} refused, {len(result.findings)} findings\n{result.table()}")
            print("\n".join(f"FINDING {finding}" for finding in result.findings))
            bad += len(result.findings)
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
