"""Secrets of carrier accounts at rest: Fernet (AES-128-CBC with HMAC-SHA256) under ``DIALER_SECRET_KEY``."""

from cryptography.fernet import Fernet, InvalidToken


class SealBroken(Exception):
    """A stored secret cannot be opened with this installation's key."""


class Seal:
    """Seals and opens short secrets. Raises ValueError when the key is missing or no Fernet key."""

    def __init__(self, secret_key: str | None) -> None:
        if not secret_key:
            raise ValueError("DIALER_SECRET_KEY is not set: the secrets of carrier accounts cannot be sealed or opened")
        self._fernet = Fernet(secret_key)

    def close(self, plain: str) -> bytes:
        """The sealed form, for the database."""
        return self._fernet.encrypt(plain.encode())

    def open(self, sealed: bytes) -> str:
        """The plain secret. Raises SealBroken when it was sealed with another key."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken as error:
            raise SealBroken("a carrier secret was sealed with another DIALER_SECRET_KEY") from error
