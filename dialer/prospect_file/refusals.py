"""Why a file as a whole is not imported."""


class FileRefused(ValueError):
    """A file that cannot be imported as it is.

    ``code`` is stable, ``message`` and ``suggestion`` are for people, ``column`` the header in question or None.
    """

    def __init__(self, code: str, message: str, suggestion: str, column: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.suggestion = suggestion
        self.column = column
