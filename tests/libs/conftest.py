"""Settings of the property tests."""

from hypothesis import settings

# A busy machine is slow now and then, which says nothing about the code; the same examples each time say what changed.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")
