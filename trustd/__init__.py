"""trustd: a behaviour-monitoring trust daemon for virtualised hosts."""

from importlib.metadata import version

__version__ = version("trustd")
