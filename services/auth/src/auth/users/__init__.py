"""The account's row, and the methods by which one signs in to it."""
