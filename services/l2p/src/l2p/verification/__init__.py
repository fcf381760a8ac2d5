"""Verification: a game that is over, computed anew from its answers, and compared with what is stored."""
