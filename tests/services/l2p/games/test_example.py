"""The example of the README plays a game to its end."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.services.l2p.conftest import Pair

EXAMPLE = Path(__file__).parents[4] / "examples" / "play.py"


@pytest.mark.long
async def test_the_example_plays_a_game_of_ten(pair: Pair) -> None:
    url = str(pair[0].client.base_url)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLE), "--url", url, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(120):
        output, _ = await process.communicate()
    assert process.returncode == 0
    ranking = output.decode().partition("The ranking:\n")[2].splitlines()
    assert len(ranking) == 10
    assert ranking[0].strip().startswith("1.")
