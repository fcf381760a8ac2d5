"""The refusals of Payment: their classes, statuses and slugs."""

from tests.error_tree import draw_error_tree

TREE = """

"""


def test_the_tree_of_errors_is_as_drawn() -> None:
    assert draw_error_tree("payment") == TREE.strip()
