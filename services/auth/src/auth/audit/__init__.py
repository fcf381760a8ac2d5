"""Audit events: an append-only history of accounts, with ids and without personal data."""
