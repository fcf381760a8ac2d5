"""What happened to an order."""
