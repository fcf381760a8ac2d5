"""Lists whose pages PostgreSQL writes as JSON, newest first."""
