"""Twilio's error answers: a code, a sentence, a link, the HTTP status."""

_MESSAGES = {
    10004: "Call concurrency limit exceeded",
    20001: "Invalid parameter",
    20003: "Authenticate",
    20005: "Account not active",
    20404: "The requested resource was not found",
    20429: "Too many requests",
    20500: "Internal server error",
    20503: "Service unavailable",
    21201: "No 'To' number specified",
    21202: "'To' number is a premium number",
    21205: "Url is not valid",
    21210: "'From' phone number not verified or not owned by this account",
    21211: "'To' is not a valid phone number",
    21212: "'From' is not a valid phone number",
    21213: "Caller phone number is required",
    21214: "'To' phone number cannot be reached",
    21215: "Geographic permission is missing for the 'To' number",
    21216: "Account not allowed to call the 'To' number",
    21217: "Phone number does not appear to be valid",
    21218: "Invalid ApplicationSid",
    21219: "'To' phone number not verified",
    21220: "Call is not in the state that this operation needs",
    21262: "AsyncAmdStatusCallback is required for asynchronous answering-machine detection",
    21263: "Invalid answering-machine detection parameter",
    21609: "Invalid StatusCallback URL",
    22005: "Call queue is full",
    32018: "Twiml is too large",
}

_HTTP_STATUS = {
    20003: 401, 20005: 403, 20404: 404, 10004: 429, 20429: 429, 22005: 429, 20500: 500, 20503: 503,
}  # fmt: skip


class ApiError(Exception):
    """A request that is answered with an error body of Twilio's shape.

    ``status`` defaults to the HTTP status that goes with the code (400 for most of them). The message never
    repeats what the caller sent, since that may be a phone number.
    """

    def __init__(self, code: int, message: str | None = None, *, status: int | None = None) -> None:
        self.code = code
        self.message = message or _MESSAGES.get(code, "Request refused")
        self.status = status or _HTTP_STATUS.get(code, 400)
        super().__init__(f"{self.code}: {self.message}")

    def body(self) -> dict[str, object]:
        """The JSON object that goes with it."""
        return {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
