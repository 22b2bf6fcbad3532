"""The carrier of each account: connected once per process, with the account's secret opened at that moment."""

from uuid import UUID

from dialer.carriers.base import Carrier
from dialer.carriers.http import HttpLimits
from dialer.carriers.twilio import TwilioCarrier, TwilioCredentials
from dialer.sealing import Seal
from dialer.settings import Settings
from dialer.store.database import Database
from dialer.store.sealed_accounts import SealedAccount, read_sealed_account


class CarrierAccounts:
    """Carriers by account. An account whose credentials have changed is connected anew."""

    def __init__(self, database: Database, seal: Seal, settings: Settings) -> None:
        self._database = database
        self._seal = seal
        self._settings = settings
        self._carriers: dict[UUID, tuple[SealedAccount, Carrier]] = {}

    async def of(self, workspace_id: UUID, carrier_account_id: UUID) -> Carrier:
        """Raises LookupError for an unknown account, and SealBroken for a secret sealed with another key."""
        async with self._database.transaction(workspace_id) as session:
            account = await read_sealed_account(session, carrier_account_id)
        if account is None:
            raise LookupError(f"there is no carrier account {carrier_account_id}")
        return await self.at(account)

    async def at(self, account: SealedAccount) -> Carrier:
        """The same, for an account that was just read. Raises SealBroken."""
        known = self._carriers.get(account.id)
        if known is not None and known[0] == account:
            return known[1]
        carrier = TwilioCarrier(
            self._credentials(account.account_sid, self._seal.open(account.secret)),
            base_url=account.base_url,
            limits=HttpLimits(total_s=self._settings.timing.http_timeout_s),
        )
        self._carriers[account.id] = (account, carrier)
        if known is not None:
            await known[1].close()
        return carrier

    def _credentials(self, account_sid: str, secret: str) -> TwilioCredentials:
        """The account's API key when the environment has one for it, else its auth token."""
        key, key_secret = self._settings.twilio_api_key_sid, self._settings.twilio_api_key_secret
        if key and key_secret and account_sid == self._settings.twilio_account_sid:
            return TwilioCredentials.of_api_key(account_sid, key, key_secret)
        return TwilioCredentials.of_auth_token(account_sid, secret)

    async def close(self) -> None:
        """Let go of every connection, also of those that are made meanwhile."""
        while self._carriers:
            _, (_, carrier) = self._carriers.popitem()
            await carrier.close()
