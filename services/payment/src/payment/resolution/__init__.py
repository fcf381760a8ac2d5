"""Resolution: what an admin decides about money that an order could not take."""
