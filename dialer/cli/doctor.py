def doctor() -> None:
    """Look."""
