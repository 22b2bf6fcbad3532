"""The whole stack under faults drawn from a seed, judged by the carrier's own ledger: ``python -m tests.chaos``."""
