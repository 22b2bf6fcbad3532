"""``python -m dialer.cli``."""

from dialer.cli.entry import main

main()
