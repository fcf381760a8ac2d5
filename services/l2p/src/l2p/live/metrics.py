"""What `/metrics` tells of the live channel."""

from prometheus_client import CollectorRegistry, Gauge

from l2p.live.sessions import Sessions


def add_live_metrics(registry: CollectorRegistry, sessions: Sessions) -> None:
    """Tell how many sockets and event streams are open."""
    gauge = Gauge("l2p_sockets", "Open web sockets and event streams of this process.", registry=registry)
    gauge.set_function(lambda: sessions.count)
