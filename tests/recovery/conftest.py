"""The fixtures of the activities' tests: a database per module, emptied after each test."""

from tests.activities.conftest import database, later, workflows

__all__ = ["database", "later", "workflows"]
