"""Requests that are done together."""

import asyncio

import pytest

from webcommon.batches import LARGEST, Batches


async def test_items_that_arrive_together_are_one_batch_in_their_order() -> None:
    done: list[tuple[str, list[int]]] = []

    async def work(key: str, items: list[int]) -> list[int | Exception]:
        done.append((key, items))
        return [item * 2 if item != 3 else ValueError("three") for item in items]

    batches: Batches[str, int, int] = Batches(work)
    results = await asyncio.gather(
        *(batches.submit("a", number) for number in range(5)), batches.submit("b", 7), return_exceptions=True
    )
    assert [result for result in results if not isinstance(result, ValueError)] == [0, 2, 4, 8, 14]
    assert str(results[3]) == "three"
    assert sorted(done) == [("a", [0, 1, 2, 3, 4]), ("b", [7])]


async def test_a_batch_waits_for_the_one_before_it_and_has_a_largest_size() -> None:
    sizes: list[int] = []
    goes_on, began = asyncio.Event(), asyncio.Event()

    async def work(_key: str, items: list[int]) -> list[int]:
        sizes.append(len(items))
        began.set()
        await goes_on.wait()
        return items

    batches: Batches[str, int, int] = Batches(work)
    first = asyncio.create_task(batches.submit("a", 0))
    await began.wait()
    rest = [asyncio.create_task(batches.submit("a", number)) for number in range(LARGEST + 2)]
    await asyncio.sleep(0)
    assert sizes == [1]
    goes_on.set()
    assert await first == 0
    assert await asyncio.gather(*rest) == list(range(LARGEST + 2))
    assert sizes == [1, LARGEST, 2]


async def test_an_error_of_the_work_is_everybodys_and_the_next_batch_is_done() -> None:
    broken = True

    async def work(_key: str, items: list[int]) -> list[int]:
        if broken:
            raise OSError("gone")
        return items

    batches: Batches[str, int, int] = Batches(work)
    results = await asyncio.gather(batches.submit("a", 1), batches.submit("a", 2), return_exceptions=True)
    assert [str(result) for result in results] == ["gone", "gone"]
    broken = False
    assert await batches.submit("a", 3) == 3


async def test_a_caller_who_gives_up_takes_nothing_from_the_others() -> None:
    async def work(_key: str, items: list[int]) -> list[int]:
        return items

    batches: Batches[str, int, int] = Batches(work)
    gone, here = (asyncio.create_task(batches.submit("a", number)) for number in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await here == 1
    with pytest.raises(asyncio.CancelledError):
        await gone
