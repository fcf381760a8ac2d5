"""The running stack: PostgreSQL and four services under one small supervisor."""
