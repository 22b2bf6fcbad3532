"""The embedded stack: PostgreSQL, Temporal with its Web UI, the simulator, the API and the workers as children.

Whatever the environment names elsewhere (a database, a Temporal cluster, the real carrier) is not started here.
"""
