# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of `certificate`: judge what the host reports, sign, send back what is missing.

One call to report, one to apply; the second only when something is to be done. Private keys stay on the host and the
authority's key on the controller: requests and certificates travel, and public keys inside them.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.openkes.kes.plugins.plugin_utils.admin import admin_state
from ansible_collections.openkes.kes.plugins.plugin_utils.authority import Authority, AuthorityError, identity
from ansible_collections.openkes.kes.plugins.plugin_utils.brought import BroughtError, pair
from ansible_collections.openkes.kes.plugins.plugin_utils.verdict import Wanted, age_fault, fault
from cryptography import x509

MODULE = "openkes.kes.certificate"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Keep one pair on one host."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        now = dt.datetime.now(dt.timezone.utc)
        arguments = {key: value for key, value in self._task.args.items() if value is not None}
        mode = arguments.get("mode", "ca")
        for name in ("authority", "key", "certificate", "usage", "common_name"):
            if not arguments.get(name):
                raise AnsibleActionFail(f"certificate: {name} is required")
        authority = Authority(arguments["authority"], arguments.pop("authority_password", None))
        check = bool(self._task.check_mode)
        brought = _brought(arguments, now) if mode == "files" else {}
        try:
            report = self._report(arguments, brought, authority, now, task_vars)
            plan = _plan(report, arguments, authority, brought, now)
            found = report["certificate_found"]
            if plan.needed and not check:
                found = self._host("apply", {**arguments, **plan.send}, task_vars)["certificate_found"]
        except AuthorityError as error:
            raise AnsibleActionFail(str(error)) from None
        except _HostFailed as failed:
            return {**result, **failed.reply}
        if found and not check and mode != "files":
            authority.record((task_vars or {})["inventory_hostname"], arguments["usage"], found)
        present = None if plan.reason and check else found
        result.update(
            changed=bool(report["changed"]) or plan.needed, reason=plan.reason, **_facts(present, report, now)
        )
        lines = _diff(report, plan, arguments, mode)
        if lines:
            result["diff"] = {"prepared": "".join(line + "\n" for line in lines)}
        if present and mode == "files":
            late = age_fault(x509.load_pem_x509_certificate(present.encode()), now)
            if late:
                result["warnings"] = [f"{arguments['certificate']}: {late}; it was brought, so bring a new one."]
        return result

    def _host(self, step: str, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """The module's reply. Raises _HostFailed."""
        reply: dict[str, Any] = self._execute_module(
            module_name=MODULE, module_args={**arguments, "step": step}, task_vars=task_vars
        )
        if reply.get("failed"):
            raise _HostFailed(reply)
        return reply

    def _report(
        self,
        arguments: dict[str, Any],
        brought: dict[str, Any],
        authority: Authority,
        now: dt.datetime,
        task_vars: dict[str, Any] | None,
    ) -> dict[str, Any]:
        """What the host has, after it made its key if it had none."""
        make = not brought and not self._task.check_mode
        report = self._host("report", {**arguments, **brought, "make_key": make}, task_vars)
        if brought or not _is_admin(report["request"], authority, now):
            return report
        # Left over from kes_identity_mode: root. "A key is never replaced" must not keep the admin's on a host.
        if not make:
            return {**report, "request": None, "changed": True}
        return self._host("report", {**arguments, "make_key": True, "replace_key": True}, task_vars)


class _HostFailed(Exception):
    """The module failed; `reply` is what it said, without the texts that pass between host and controller."""

    def __init__(self, reply: dict[str, Any]) -> None:
        super().__init__(reply.get("msg"))
        inner = ("request", "certificate_found", "trust_found")
        self.reply = {key: value for key, value in reply.items() if key not in inner}


def _is_admin(request: str | None, authority: Authority, now: dt.datetime) -> bool:
    if not request:
        return False
    try:
        admin = admin_state(authority, now).identity
    except AuthorityError:
        return False
    return identity(x509.load_pem_x509_csr(request.encode()).public_key()) == admin


class _Plan:
    """What has to be sent to the host, and why."""

    def __init__(self) -> None:
        self.send: dict[str, Any] = {}
        self.reason: str | None = None
        self.needed = False


def _plan(
    report: dict[str, Any], arguments: dict[str, Any], authority: Authority, brought: dict[str, Any], now: dt.datetime
) -> _Plan:
    plan = _Plan()
    mode = arguments.get("mode", "ca")
    names = [str(name) for name in arguments.get("names") or []]
    days = int(arguments.get("days", 365))
    if mode == "files":
        if not report["key_matches"] or report["certificate_found"] != brought["certificate_text"]:
            plan.reason = "the files on the controller are others"
            plan.send = brought
    elif report["request"] is None:
        plan.reason = "there is none yet"  # check mode on a fresh host: no key to make a certificate for
    else:
        public = x509.load_pem_x509_csr(report["request"].encode()).public_key()
        issuer = authority.load(now)[1] if mode == "ca" else None
        plan.reason = fault(report["certificate_found"], Wanted(public, names, arguments["usage"], issuer), now)
        if plan.reason and mode == "ca":
            text = authority.sign(report["request"], names, arguments["usage"], days, now)
            plan.send = {"certificate_text": text}
        elif plan.reason:
            plan.send = {"self_sign": True}
    trust = arguments.get("trust") and arguments.get("trust_text")
    stale = bool(trust) and report["trust_found"] != arguments["trust_text"]
    plan.needed = bool(plan.reason or stale or report["drift"])
    return plan


def _brought(arguments: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
    """Texts of the operator's own pair, checked to belong together."""
    try:
        key, certificate = pair(arguments.get("key_file"), arguments.get("certificate_file"), now)
    except BroughtError as error:
        raise AnsibleActionFail(str(error)) from None
    return {"key_text": key, "certificate_text": certificate}


def _facts(certificate_pem: str | None, report: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
    if certificate_pem:
        certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
        return {
            "identity": identity(certificate.public_key()),
            "not_after": certificate.not_valid_after_utc.isoformat(),
            "days_left": (certificate.not_valid_after_utc - now).days,
        }
    request = report["request"]
    return {"identity": identity(x509.load_pem_x509_csr(request.encode()).public_key()) if request else ""}


def _diff(report: dict[str, Any], plan: _Plan, arguments: dict[str, Any], mode: str) -> list[str]:
    lines = []
    if not report["key_exists"] or report["changed"]:
        made = "brought from the controller" if mode == "files" else "made on the host"
        lines.append(f"+ private key {arguments['key']}, {made}")
    if plan.reason:
        lines.append(f"+ certificate {arguments['certificate']} issued: {plan.reason}")
    if arguments.get("trust") and arguments.get("trust_text") and report["trust_found"] != arguments["trust_text"]:
        lines.append(f"+ trusted certificates {arguments['trust']}")
    lines += [f"+ owner, group or permissions of {path}" for path in report["drift"]]
    return lines
