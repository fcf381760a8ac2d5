"""The rules of merging: the vectors, their laws, and replicas that always end equal."""

import copy
import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videovault.changes.merge import State, empty, merge, read_record, read_row, state_of_change

VECTORS = json.loads((Path(__file__).parents[4] / "services/videovault/vectors/merge.json").read_text())
DAY = 86_400_000


def said(change: dict[str, Any]) -> State:
    """The state that one change of a vector makes."""
    return state_of_change(change["entity"], change["field"], change["value"], at=change["at"])


def joined(changes: Any) -> State:
    """The state that changes make in this order."""
    state = empty()
    for change in changes:
        state = merge(state, said(change))
    return state


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_every_order_and_repetition_of_a_vectors_changes_gives_its_record(case: dict[str, Any]) -> None:
    changes = copy.deepcopy(case["changes"])
    expected = joined(changes)

    assert read_record(expected) == case["record"]
    for order in itertools.permutations(changes):
        assert joined(order) == joined([*order, *order[:2]]) == expected
    assert changes == case["changes"]


@pytest.mark.parametrize("case", VECTORS["rows"], ids=lambda case: case["name"])
def test_every_order_and_repetition_of_a_vectors_changes_gives_its_row(case: dict[str, Any]) -> None:
    for order in itertools.permutations(case["changes"]):
        assert read_row(joined(order), case["entity"]) == case["row"]
        assert joined([*order, *order[:2]]) == joined(case["changes"])


class Replica:
    """A device of the property test: its states, and a hybrid clock that is wrong by `offset_ms`."""

    def __init__(self, name: str, offset_ms: int) -> None:
        self.name = name
        self.offset_ms = offset_ms
        self.states: dict[str, State] = {}
        self.last = ""

    def now(self, ms: int) -> str:
        """A time later than all that it made or saw."""
        wall, counter = ms + self.offset_ms, 0
        if self.last and int(self.last[:13]) >= wall:
            wall, counter = int(self.last[:13]), int(self.last[14:19]) + 1
        self.last = f"{wall:013}-{counter:05}-{self.name}"
        return self.last

    def act(self, choice: random.Random, ms: int) -> dict[str, Any]:
        """A random change of a random video; returns it, for others to be told late or twice."""
        video_id, at = choice.choice("vwx"), self.now(ms)
        state = self.states.get(video_id, empty())
        tag = choice.choice(["k:a", "k:b"])
        seen = state["tags"].get(tag, {"adds": {}})["adds"]
        number = choice.randrange(100)
        kind, field, value = choice.choice(
            [
                ("video", "title", number),
                ("video", f"metadata/{choice.choice('ab')}", choice.choice([None, number])),
                ("video", "*", {"file_path": f"/{video_id}", "title": number, "metadata": {"a": number}}),
                ("video", "*", None),
                ("tag", tag, {"adds": {at: ["k", tag[-1].upper()]}}),
                ("tag", tag, {"removes": sorted(seen)}),
            ]
        )
        change = {"entity": kind, "field": field, "value": value, "at": at}
        self.states[video_id] = merge(state, said(change))
        return {"id": video_id, **change}

    def take(self, states: dict[str, State]) -> None:
        """Merge what another one knows."""
        for video_id, state in states.items():
            self.states[video_id] = merge(self.states.get(video_id, empty()), state)
            times = [register["at"] for register in state["fields"].values()]
            self.last = max([self.last, state["deleted"], *times])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), offsets=st.lists(st.integers(-DAY, DAY), min_size=3, max_size=3))
def test_three_replicas_end_equal_after_200_operations_partitions_and_repeats(
    seed: int, offsets: list[int]
) -> None:
    choice = random.Random(seed)  # noqa: S311 - reproducible, and nothing secret
    replicas = [Replica(name, offset) for name, offset in zip("abc", offsets, strict=True)]
    sent: list[dict[str, Any]] = []
    ms, is_parted = 1_795_372_200_000, False
    for number in range(200):
        ms += choice.randrange(1000)
        sent.append(choice.choice(replicas).act(choice, ms))
        if number % 20 == 0:
            is_parted = not is_parted
        if not is_parted and choice.random() < 0.3:
            one, other = choice.sample(replicas, 2)
            one.take(copy.deepcopy(other.states))
        if choice.random() < 0.1:
            late = choice.choice(sent)
            choice.choice(replicas).take({late["id"]: said(late)})
    order = choice.sample(sent, len(sent))
    for one, other in itertools.permutations(replicas, 2):
        one.take(copy.deepcopy(other.states))
    told: dict[str, State] = {}
    for change in order:
        told[change["id"]] = merge(told.get(change["id"], empty()), said(change))

    assert replicas[0].states == replicas[1].states == replicas[2].states == told
    assert replicas[0].last
