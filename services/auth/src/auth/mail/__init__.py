"""Mails: an outbox, to which mails are added in the transaction of a change, and the worker that sends them."""
