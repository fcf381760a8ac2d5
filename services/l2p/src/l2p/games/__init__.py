"""Games: starting one, its state, its results and its history."""
