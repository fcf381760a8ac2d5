"""A web page on loopback to look at the rows of the services' databases, and to change them when told so."""

from quartet.studio.application import StudioDatabase, create_application, ensure_connects
from quartet.studio.server import listen, serve

__all__ = ["StudioDatabase", "create_application", "ensure_connects", "listen", "serve"]
