"""Shared parts of Auth's pages."""
