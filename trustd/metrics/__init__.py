"""What Prometheus scrapes: the daemon's own figures and a few series a guest."""

from trustd.metrics.meters import Meters
from trustd.metrics.page import CONTENT_TYPE, Exposition, MetricsPage
from trustd.metrics.raw import RawSeries
from trustd.metrics.text import legible

__all__ = ["CONTENT_TYPE", "Exposition", "Meters", "MetricsPage", "RawSeries", "legible"]
