"""``python -m gbopt`` is the ``gbopt`` command."""

from gbopt.cli.app import main

main()
