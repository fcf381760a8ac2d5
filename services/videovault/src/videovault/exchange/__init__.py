"""The library as lines of JSON: exported, and imported with its ids and times."""
