"""What goes over the wire: problem documents, pages of lists, bodies, idempotency keys."""
