"""Tests of `quartet studio`."""
