"""How the tests are divided."""

import pytest

from tests.shares import ON_ONE_STACK, ROOT, Share, half_of, is_chosen, unit_of

EIGHTHS = [Share(number, 8) for number in range(8)]


def test_files_on_one_stack_are_one_unit_in_one_share() -> None:
    assert all((ROOT / file).is_file() for file in ON_ONE_STACK)
    assert {unit_of(file) for file in ON_ONE_STACK} == {"tests/suite/stack.py"}
    tests = [f"{file}::test_{number}" for file in ON_ONE_STACK for number in range(10)]
    assert [sum(share.has(test) for test in tests) for share in EIGHTHS].count(0) == 7


def test_each_drill_is_in_one_of_the_shares_and_they_are_about_as_large() -> None:
    tests = [f"tests/test_a.py::test_{number}" for number in range(1000)]
    for shares in (EIGHTHS, [Share(0, 2), Share(1, 2)], [Share(0, 1)]):
        assert all(sum(share.has(test) for share in shares) == 1 for test in tests)
    assert all(90 < sum(share.has(test) for test in tests) < 160 for share in EIGHTHS)


def test_a_drills_share_depends_on_its_name_alone() -> None:
    assert Share.parse("3/8") == Share(3, 8)
    assert [share.number for share in EIGHTHS if share.has("tests/test_a.py::test_it[1]")] == [2]
    assert [share.number for share in EIGHTHS if share.has("tests/test_a.py::test_it[2]")] == [7]


class Item(pytest.Item):
    """A test that does nothing."""

    def runtest(self) -> None:
        """Nothing."""


@pytest.fixture
def item(request: pytest.FixtureRequest) -> pytest.Item:
    """A fast test of a file that has no half."""
    return Item.from_parent(request.node.parent, name="item")


def test_fast_tests_run_with_either_half_unless_they_use_a_services_database(item: pytest.Item) -> None:
    assert half_of(item) is None
    assert all(is_chosen(item, half, Share(0, 8)) for half in ("even", "odd", None))
    item.add_marker(pytest.mark.service)
    assert half_of(item) is None
    item.path = next((ROOT / "tests/services/auth").rglob("test_login.py"))
    item.add_marker(pytest.mark.database)
    own = half_of(item)
    assert own in ("even", "odd")
    assert [is_chosen(item, half, Share(0, 8)) for half in ("even", "odd", None)] == [
        own == "even",
        own == "odd",
        True,
    ]


def test_a_drill_runs_in_its_share_with_either_half(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.long)
    item.add_marker(pytest.mark.service)
    item.add_marker(pytest.mark.database)
    for half in ("even", "odd", None):
        assert [is_chosen(item, half, share) for share in EIGHTHS] == [
            share.has(item.nodeid) for share in EIGHTHS
        ]


def test_an_exhaustive_drill_runs_only_where_all_drills_do(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.long)
    item.add_marker(pytest.mark.exhaustive)
    shares = [*EIGHTHS, Share(0, 2), Share(1, 2), Share(0, 1)]
    assert [share for share in shares if is_chosen(item, None, share)] == [Share(0, 1)]
