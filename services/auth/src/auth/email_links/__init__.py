"""What links in mails do: confirm an address, change it, undo that, set a new password. Each works once."""
