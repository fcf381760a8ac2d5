"""Roots: the folders whose files are videos."""
