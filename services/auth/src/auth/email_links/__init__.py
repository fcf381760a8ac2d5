"""Links in mails: they confirm an address, change it, revert that, or set a new password. Each works once."""
