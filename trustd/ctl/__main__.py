"""``python -m trustd.ctl`` is ``trustctl``."""

from trustd.ctl import main

main()
