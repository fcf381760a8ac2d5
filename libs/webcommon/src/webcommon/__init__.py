"""What the four services answer alike: problems, bearer tokens, paging, logs, metrics, and a graceful stop."""
