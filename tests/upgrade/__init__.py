"""Data and running campaigns of an older version, taken over by this one: ``make upgrade-test``."""
