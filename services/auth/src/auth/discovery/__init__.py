"""What other programs read about this service before they use it."""
