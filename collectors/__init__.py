"""The collectors that ship with trustd, one a file.

trustd never imports this package: it finds every collector, these and an
outsider's alike, in the entry-point table ``trustd.collectors``.
"""
