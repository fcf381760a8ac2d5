"""The log of changes: who changed which field of what, from what to what, and when."""
