# Copyright: openkes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The end of a run in plain words: a line for each deployment, key and key server. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def lines(hostvars: Mapping[str, Any], kes: list[str], minio: list[str], check: bool) -> list[str]:
    """Sentences from the facts that the roles left on each host."""
    found = _facts(hostvars, minio, "kes_minio_found")
    deployments: list[dict[str, Any]] = found[0]["deployments"] if found else []
    rows: list[tuple[str, str]] = []
    due: list[str] = []
    for deployment in deployments:
        facts = [dict(hostvars[host].get("kes_minio_outcome") or {}) for host in deployment["hosts"]]
        if not any(facts):
            continue
        rows.append((deployment["name"], _deployment(facts, check)))
        if any(fact.get("restart_due") for fact in facts) and not check:
            due.append(deployment["name"])
    for host in kes:
        key = dict(hostvars[host].get("kes_key_outcome") or {})
        if key:
            rows.append(("keys", _key(key, check)))
            break
    for host in kes:
        server = dict(hostvars[host].get("kes_server_outcome") or {})
        if server:
            rows.append((host, _server(server, dict(hostvars[host].get("kes_pki_outcome") or {}), check)))
    width = max((len(name) for name, _text in rows), default=0) + 2
    result = [f"{name:<{width}}{text}" for name, text in rows]
    for name in due:
        result.append(
            f"NOTE: {name} still runs with its old environment: a restart is due and was not done. Run the"
            " playbook with"
            " kes_minio_restart: together, or restart all its nodes at once yourself and run the playbook again."
        )
    if check:
        result.append("check mode: nothing was changed")
    elif rows:
        result.append(f"{'next':<{width}}keep a copy of the key store and of the admin identity in a safe place")
    return result


def _facts(hostvars: Mapping[str, Any], hosts: list[str], name: str) -> list[dict[str, Any]]:
    return [dict(hostvars[host][name]) for host in hosts if hostvars[host].get(name)]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _deployment(facts: list[dict[str, Any]], check: bool) -> str:
    total = len(facts)
    words = [_count(total, "host").ljust(9)]
    written = sum(bool(fact.get("changed")) for fact in facts)
    if written:
        where = "" if written == total else f" on {written}"
        words.append(f"environment {'would be ' if check else ''}written{where}")
    else:
        words.append("environment unchanged")
    if any(fact.get("restarted") for fact in facts):
        words.append("would be restarted together" if check else "restarted together")
        if not check:
            words.append(f"{sum(bool(fact.get('healthy')) for fact in facts)}/{total} healthy")
    elif any(fact.get("restart_due") for fact in facts):
        words.append("RESTART DUE")
    elif written and not check:
        words.append("no service to restart")
    words.append(f"round trip {sum(bool(fact.get('proved')) for fact in facts)}/{total}")
    return words[0] + " " + ", ".join(words[1:])


def _key(key: dict[str, Any], check: bool) -> str:
    about = key.get("key") or {}
    made = str(about.get("created_at", ""))[:10]
    algorithm = about.get("algorithm")
    details = ", ".join(text for text in (algorithm, made and f"made {made}") if text)
    if key.get("changed"):
        details = "would be created" if check else f"{details}, just created"
    return f"{key['name']} ({details})" if details else str(key["name"])


def _server(server: dict[str, Any], pki: dict[str, Any], check: bool) -> str:
    words = [f"openkes {server.get('version') or ''}".strip()]
    if server.get("engine") == "python":
        words.append("Python twin (for evaluation)")
    if pki.get("days_left") is not None:
        words.append(f"certificate good for {_count(int(pki['days_left']), 'day')}")
    if server.get("action"):
        verb = {"start": "started", "restart": "restarted", "reload": "reloaded", "enable": "enabled"}[server["action"]]
        words.append(f"would be {verb}" if check else verb)
    return ", ".join(words)
