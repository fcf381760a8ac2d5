"""Orders: what somebody buys, at the catalogue's prices of that moment."""
