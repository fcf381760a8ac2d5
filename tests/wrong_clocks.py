"""Processes whose system clock is wrong, by libfaketime (Debian's package `libfaketime`); `.ci/run` installs it."""

import os
from pathlib import Path

import pytest

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))

needs_libfaketime = pytest.mark.skipif(
    not LIBRARIES and not os.environ.get("REQUIRE_LIBFAKETIME"),
    reason="there is no libfaketime: install the package `libfaketime`",
)


def wrong_clock(hours: int) -> dict[str, str]:
    """The environment of a process whose system clock is so many hours ahead. Its monotonic clock is right."""
    assert LIBRARIES, "libfaketime is not installed"
    return {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME": f"{hours:+d}h",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
