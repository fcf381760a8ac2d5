"""A service of a few routes, to run as a process of its own."""
