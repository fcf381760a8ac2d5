"""Mails: an outbox that is written with the change it tells of, and the worker that empties it."""
