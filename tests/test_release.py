"""What is released: one version, constraints that fit, workflows that store no secret, a wheel and an sdist that are whole."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import facegap
from facegap.worlds.pool import in_processes
from fixtures.campaigns import campaign
from fixtures.spawned import audit_in_a_worker

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
REQUIREMENTS = [
    Requirement(text)
    for texts in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for text in texts
]
PHOTOGRAPHS = (".jpg", ".jpeg", ".png", ".webp", ".heic", ".mp4")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


# ---- one version ----


def test_the_version_is_stated_once_and_everything_else_reads_or_repeats_it() -> None:
    version = PROJECT["version"]
    assert facegap.__version__ == version
    assert re.search(r"^version: (.*)$", text_of("CITATION.cff"), re.MULTILINE)[1] == version  # type: ignore[index]
    assert re.search(rf"^## {re.escape(version)}\b", text_of("CHANGELOG.md"), re.MULTILINE)
    stated = [path for path in (ROOT / "src").rglob("*.py") if f'"{version}"' in path.read_text(encoding="utf-8")]
    assert stated == []


# ---- constraints ----


def constraints() -> dict[str, str]:
    """The version of each package in constraints.txt."""
    lines = [line for line in text_of("constraints.txt").splitlines() if line and not line.startswith("#")]
    found = [re.fullmatch(r"([a-z0-9._-]+)==([\w.]+)", line) for line in lines]
    assert all(found), "a line is name==version, without an address, an extra or a marker"
    return {canonicalize_name(one[1]): one[2] for one in found if one}


def test_every_declared_dependency_has_a_version_in_the_constraints_that_is_allowed() -> None:
    known = constraints()
    outside = [
        f"{one} and {known.get(canonicalize_name(one.name))}"
        for one in REQUIREMENTS
        if canonicalize_name(one.name) not in known or not one.specifier.contains(known[canonicalize_name(one.name)])
    ]
    assert outside == []


# ---- workflows ----


def workflow(name: str) -> dict[Any, Any]:
    return dict(yaml.safe_load(text_of(f".github/workflows/{name}.yml")))


def test_the_tests_run_on_three_systems_from_the_oldest_python_that_is_allowed() -> None:
    jobs = workflow("tests")["jobs"]
    matrix = jobs["tests"]["strategy"]["matrix"]
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    oldest = PROJECT["requires-python"].removeprefix(">=")
    minors = [int(version.partition(".")[2]) for version in matrix["python"]]
    assert matrix["python"][0] == oldest
    assert minors == list(range(minors[0], minors[-1] + 1))
    installs = {
        name: [s["run"] for s in job["steps"] if "pip install" in s.get("run", "")] for name, job in jobs.items()
    }
    assert {
        name for name, runs in installs.items() if all("-c constraints.txt" in run for run in runs)
    } == jobs.keys() - {"newest"}


def test_publishing_needs_no_stored_secret_and_what_is_published_was_tried() -> None:
    jobs = workflow("publish")["jobs"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["publish"]["needs"] == "try"
    assert jobs["try"]["needs"] == "build"
    for path in WORKFLOWS:
        text = path.read_text(encoding="utf-8")
        assert "secrets." not in text, path.name
        assert yaml.safe_load(text)["permissions"] == {"contents": "read"}, path.name


def test_nothing_beside_the_project_table_states_an_address_of_the_project() -> None:
    for path in [
        *(ROOT / ".github").rglob("*.*"),
        ROOT / ".pre-commit-config.yaml",
        ROOT / "constraints.txt",
        ROOT / ".ci/run",
    ]:
        assert "://" not in path.read_text(encoding="utf-8"), path.name


@pytest.mark.parametrize("name", ["bug", "feature"])
def test_a_form_of_an_issue_has_what_the_forge_asks_for(name: str) -> None:
    form = yaml.safe_load(text_of(f".github/ISSUE_TEMPLATE/{name}.yml"))
    assert {"name", "description", "body"} <= form.keys()
    assert all({"type", "id", "attributes"} <= part.keys() for part in form["body"])
    assert len({part["id"] for part in form["body"]}) == len(form["body"])


# ---- what is built ----


def built(kind: str) -> set[str]:
    """The files that a wheel or an sdist would hold, by their paths in it."""
    from hatchling.builders.sdist import SdistBuilder
    from hatchling.builders.wheel import WheelBuilder

    builder = {"wheel": WheelBuilder, "sdist": SdistBuilder}[kind](str(ROOT))
    return {Path(one.distribution_path).as_posix() for one in builder.recurse_included_files()}


def tracked(folder: str) -> set[str]:
    """The files of a folder of the repository, without what is made while it is used."""
    paths = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in paths}


def test_the_wheel_holds_the_package_and_the_model_cards_and_nothing_else() -> None:
    source = {name.removeprefix("src/") for name in tracked("src")}
    models = {f"facegap/_models/{name.removeprefix('models/')}" for name in tracked("models")}
    assert built("wheel") == source | models
    assert {"facegap/py.typed", "facegap/_models/demo/truth.json"} <= built("wheel")
    assert [name for name in built("wheel") if name.endswith(PHOTOGRAPHS)] == []


def test_the_sdist_holds_what_the_tests_and_the_site_need() -> None:
    found = built("sdist")
    for folder in ("src", "models", "tests", "benchmarks"):
        assert tracked(folder) <= found
    assert {"constraints.txt", "README.md", "CHANGELOG.md", "LICENSE", "docs/conf.py"} <= found
    assert [name for name in found if name.startswith(("docs/reference/", ".github/workflows/"))] == []


@campaign
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_what_is_built_is_installed_and_runs_in_an_environment_of_its_own(kind: str, tmp_path: Path) -> None:
    hook = f"import sys, hatchling.build as b; print(b.build_{kind}(sys.argv[1]))"
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore"}
    made = subprocess.run(
        [sys.executable, "-c", hook, str(tmp_path)], cwd=ROOT, env=quiet, capture_output=True, text=True, check=True
    )
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    own = next((tmp_path / "venv").rglob("site-packages"))
    (own / "dependencies.pth").write_text(
        f"{sysconfig.get_path('purelib')}\n"
    )  # those of this environment, behind its own
    package = tmp_path / made.stdout.split()[-1]
    install = [
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--ignore-installed",
        str(package),
    ]
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "FACEGAP"))}
    subprocess.run([programs / "python", "-m", "pip", *install], env=bare, check=True)

    def said(*words: str) -> str:
        return subprocess.run([*words], cwd=tmp_path, env=bare, capture_output=True, text=True, check=True).stdout

    assert str(own) in said(str(programs / "python"), "-c", "import facegap; print(facegap.__file__)")
    assert said(str(programs / "facegap"), "--version").strip() == f"facegap {PROJECT['version']}"
    assert "demo_detector" in said(str(programs / "facegap"), "models")
    said(str(programs / "facegap"), "demo", "--out", "demo")
    assert "consistent" in said(str(programs / "facegap"), "recheck", "demo/skewed")


# ---- processes that start afresh ----


def test_every_pool_of_processes_starts_them_afresh() -> None:
    """A forked child has the locks of threads that it lacks; onnxruntime, OpenBLAS and OpenCV have threads."""
    for path in (ROOT / "src").rglob("*.py"):
        for call in (
            node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
        ):
            name = ast.unparse(call.func).rpartition(".")[2]
            if name in ("get_context", "set_start_method"):
                assert ast.unparse(call) == f"{name}('spawn')", path
            if name == "ProcessPoolExecutor":
                assert "get_context('spawn')" in ast.unparse(call), path


def test_an_audit_runs_in_workers_that_are_spawned() -> None:
    assert dict(in_processes(audit_in_a_worker, [(80,)], 1)) == {0: (True, 40)}
