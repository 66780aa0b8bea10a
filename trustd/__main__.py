"""``python -m trustd`` is ``trustd``."""

from trustd.daemon import main

main()
