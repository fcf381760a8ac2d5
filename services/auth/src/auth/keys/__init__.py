"""The keys that access tokens are signed with: made once, encrypted at rest, shared by all replicas."""
