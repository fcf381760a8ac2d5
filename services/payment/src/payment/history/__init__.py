"""The history of an order: every change of a status, with its cause."""
