"""How the tests are divided."""

from pathlib import Path

import pytest

from tests.shares import ON_ONE_STACK, ROOT, half_of, half_of_drill, unit_of


def test_files_on_one_stack_are_one_unit_in_one_half() -> None:
    assert all((ROOT / file).is_file() for file in ON_ONE_STACK)
    assert {unit_of(file) for file in ON_ONE_STACK} == {"tests/suite/stack.py"}
    assert {half_of_drill(ROOT / file) for file in ON_ONE_STACK} == {"even"}


def test_a_drills_half_depends_on_its_files_name_alone() -> None:
    assert half_of_drill(ROOT / "tests/test_readme.py") == "odd"
    assert half_of_drill(ROOT / "tests/ops/test_stack.py") == "odd"
    assert half_of_drill(ROOT / "tests/libs/test_stack.py") == "odd"


class Item(pytest.Item):
    """A test that does nothing."""

    def runtest(self) -> None:
        """Nothing."""


@pytest.fixture
def item(request: pytest.FixtureRequest) -> pytest.Item:
    """A test of a file that has a half."""
    return Item.from_parent(request.node.parent, name="item")


def test_only_drills_and_the_services_tests_with_a_database_are_halved(item: pytest.Item) -> None:
    assert half_of(item) is None
    item.add_marker(pytest.mark.long)
    assert half_of(item) == half_of_drill(Path(__file__))
    item.add_marker(pytest.mark.service)
    assert half_of(item) is None
    item.path = next((ROOT / "tests/services/auth").rglob("test_login.py"))
    item.add_marker(pytest.mark.database)
    assert half_of(item) in ("even", "odd")
