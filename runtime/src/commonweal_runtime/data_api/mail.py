"""Codes by e-mail, through the platform's mail server. An address is in no log, no error and no answer but masked."""

from __future__ import annotations

import asyncio
import re
import smtplib
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage

from commonweal_runtime.certificates import outside
from commonweal_runtime.exceptions import MailError

_SERVER = re.compile(r"(smtps?)://([A-Za-z0-9.-]{1,253}):([1-9][0-9]{0,4})")
_SENDER = re.compile(r"[!-?A-~]{1,64}@[A-Za-z0-9.-]{1,253}")
SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail server, and whom its messages come from. `secured`: TLS from the first byte; else STARTTLS where the server offers it."""

    host: str
    port: int
    sender: str
    department: str
    secured: bool = False

    async def send(self, address: str, code: str) -> None:
        """Send a code; MailError where the server does not take it within a few seconds."""
        try:
            async with asyncio.timeout(3 * SECONDS):
                await asyncio.to_thread(self._send, address, code)
        except (OSError, TimeoutError, smtplib.SMTPException, ValueError):
            raise MailError from None

    def _send(self, address: str, code: str) -> None:
        message = EmailMessage()
        message["From"], message["To"] = self.sender, address
        message["Subject"] = f"Your code / Eich cod: {self.department}"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(
            f"Your code is {code}.\n\nA person who signed in asks to be linked to your record at {self.department}. If it was not you, do nothing.\n\n"
            f"Eich cod yw {code}.\n\nMae rhywun a fewngofnododd yn gofyn am gael ei gysylltu â'ch cofnod yn {self.department}. Os nad chi oedd hwnnw, "
            "peidiwch â gwneud dim.\n"
        )
        with self._connected() as server:
            server.send_message(message)

    def _connected(self) -> smtplib.SMTP:
        context = outside().context
        if self.secured:
            return smtplib.SMTP_SSL(self.host, self.port, timeout=SECONDS, context=context)
        server = smtplib.SMTP(self.host, self.port, timeout=SECONDS)
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
        return server


def mail_of(env: Mapping[str, str], department: str) -> Mail | None:
    """Return the mail server that the environment names, or None; ValueError names a variable that cannot be understood."""
    server, sender = env.get("COMMONWEAL_SMTP", ""), env.get("COMMONWEAL_SMTP_FROM", "")
    if not server:
        return None
    match = _SERVER.fullmatch(server)
    if match is None:
        raise ValueError("COMMONWEAL_SMTP: write smtp://HOST:PORT, or smtps://HOST:PORT.")
    if not _SENDER.fullmatch(sender):
        raise ValueError("COMMONWEAL_SMTP_FROM: write the e-mail address that codes come from.")
    return Mail(match[2], int(match[3]), sender, department, match[1] == "smtps")


def hint_of(address: str) -> str:
    """Return an address as its owner knows it again and a stranger does not: the first letters of name and host."""
    name, _, host = address.partition("@")
    return f"{name[:1]}•••@{host[:1]}•••"
