"""What a guest's token opens: one lobby and its games."""
