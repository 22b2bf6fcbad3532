"""The command line: ``dialer up``, ``dialer demo``, ``dialer doctor``, and a client of the HTTP API for the rest."""

from dialer.cli.entry import main

__all__ = ["main"]
