"""The HTTP interface: what people, scripts, pages and Prometheus read."""

from trustd.api.listeners import CannotListen, inherited_sockets
from trustd.api.live import Live
from trustd.api.serve import Listening, serve

__all__ = ["CannotListen", "Listening", "Live", "inherited_sockets", "serve"]
