"""How long the long drills are. `SHORT_DRILLS=1` makes them short, for CI: few tries, and a tolerance that fits few tries.

A short one still tells a look-up that skipped the hash, which is several times as fast as one that did not.
"""

import os

SHORT = bool(os.environ.get("SHORT_DRILLS"))

TRIES = 30 if SHORT else 200
"""Tries of each kind that timings are compared over."""

TOLERANCE = 1.5 if SHORT else 1.1
"""How much the slowest median may exceed the quickest."""
