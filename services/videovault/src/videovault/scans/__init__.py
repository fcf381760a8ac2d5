"""Scans: the files below the roots become videos, and videos follow their files."""
