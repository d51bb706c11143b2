"""What every module and role has to have: documentation that parses and agrees with the code, documented defaults."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.plugins.conftest import COLLECTIONS, ROOT

MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
LOOKUPS = sorted(path.stem for path in (ROOT / "plugins/lookup").glob("*.py"))
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())


def doc(kind: str, names: list[str]) -> dict[str, Any]:
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-doc", "--json", "-t", kind, *(f"openkes.kes.{one}" for one in names)],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def docs() -> dict[str, Any]:
    return {**doc("module", MODULES), **doc("lookup", LOOKUPS)}


@pytest.mark.parametrize("name", MODULES + LOOKUPS)
def test_everything_has_documentation_with_examples(docs: dict[str, Any], name: str) -> None:
    found = docs[f"openkes.kes.{name}"]
    assert found["doc"]["short_description"]
    assert yaml.safe_load(found["examples"])


@pytest.mark.parametrize("name", MODULES)
def test_modules_say_how_they_behave_in_check_and_diff_mode(docs: dict[str, Any], name: str) -> None:
    assert set(docs[f"openkes.kes.{name}"]["doc"]["attributes"]) == {"check_mode", "diff_mode"}


def argument_spec(name: str) -> dict[str, Any]:
    """What the module's own code asks for, by running it up to AnsibleModule."""
    code = f"""
import json, sys
from ansible.module_utils import basic
class Stop(Exception): pass
class Fake:
    def __init__(self, argument_spec, **kwargs):
        print(json.dumps(argument_spec)); raise Stop
import importlib
module = importlib.import_module("ansible_collections.openkes.kes.plugins.modules.{name}")
module.AnsibleModule = Fake
try: module.main()
except Stop: pass
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": COLLECTIONS},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    spec: dict[str, Any] = json.loads(done.stdout)
    return spec


@pytest.mark.parametrize("name", MODULES)
def test_documentation_and_code_agree(docs: dict[str, Any], name: str) -> None:
    documented = docs[f"openkes.kes.{name}"]["doc"]["options"]
    spec = argument_spec(name)
    assert set(documented) == set(spec)
    for option, says in documented.items():
        does = spec[option]
        for fact in ("type", "elements", "choices", "default"):
            assert says.get(fact) == does.get(fact), f"{option}: {fact}"
        assert bool(says.get("required")) is bool(does.get("required")), option


def specs(role: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())
    return found["argument_specs"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_those_of_the_argument_specs(role: str) -> None:
    defaults = yaml.safe_load((ROOT / "roles" / role / "defaults/main.yml").read_text())
    documented = {name: option.get("default") for name, option in specs(role)["main"]["options"].items()}
    assert defaults == documented


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_carries_the_roles_name_and_is_explained(role: str) -> None:
    for name, option in specs(role)["main"]["options"].items():
        assert name.startswith(f"{role}_")
        assert option["description"], name


@pytest.mark.parametrize("role", ROLES)
def test_the_readme_names_every_variable(role: str) -> None:
    text = (ROOT / "roles" / role / "README.md").read_text()
    assert [name for name in specs(role)["main"]["options"] if f"`{name}`" not in text] == []


@pytest.mark.parametrize("role", ROLES)
def test_main_is_a_table_of_contents(role: str) -> None:
    tasks = yaml.safe_load((ROOT / "roles" / role / "tasks/main.yml").read_text())
    for task in tasks:
        assert {"ansible.builtin.import_tasks", "ansible.builtin.include_tasks"} & set(task), task


def test_what_the_controller_does_needs_no_library_on_hosts() -> None:
    """Modules and their helpers import the standard library, Ansible's helpers and this collection only."""
    allowed = {"ansible", "ansible_collections", "__future__", *sys.stdlib_module_names}
    for path in [*(ROOT / "plugins/modules").glob("*.py"), *(ROOT / "plugins/module_utils").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert {name.split(".")[0] for name in names} <= allowed, path
            assert not any("plugin_utils" in name for name in names), path


def test_no_task_hides_its_errors() -> None:
    """`no_log` belongs on arguments: on a task it also hides what went wrong."""
    for path in (ROOT / "roles").rglob("tasks/*.yml"):
        assert not re.search(r"^\s*no_log:", path.read_text(), re.M), path
