"""Requests that may be sent again: the same key and content has its effect once, and the same answer each time."""
