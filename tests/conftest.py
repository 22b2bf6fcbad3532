"""Fixtures that every test may ask for live in the ``fixtures_*`` modules."""

pytest_plugins = ["tests.fixtures_postgres", "tests.fixtures_stack", "tests.fixtures_temporal"]
