"""What Auth's own pages share."""
