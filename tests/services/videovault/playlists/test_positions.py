"""Positions between positions."""

from hypothesis import given
from hypothesis import strategies as st

from videovault.playlists.positions import LONGEST, between, spread


@given(st.lists(st.integers(0, 10**6), max_size=60))
def test_there_is_always_a_position_between_two(places: list[int]) -> None:
    positions: list[str] = []
    for number in places:
        place = number % (len(positions) + 1)
        before = positions[place - 1] if place else None
        after = positions[place] if place < len(positions) else None
        positions.insert(place, between(before, after))

    assert positions == sorted(positions)
    assert len(set(positions)) == len(positions)
    assert not any(position.endswith("0") or not position for position in positions)


def test_five_thousand_at_either_end_stay_short() -> None:
    last = first = between(None, None)
    for _ in range(5000):
        following, leading = between(last, None), between(None, first)
        assert leading < first <= last < following
        last, first = following, leading

    assert len(last) <= 6
    assert len(first) <= 6


def test_a_spread_playlist_has_short_positions_with_room() -> None:
    positions = spread(5000)

    assert positions == sorted(set(positions))
    assert max(map(len, positions)) <= 6
    assert len(between(positions[7], positions[8])) < LONGEST
