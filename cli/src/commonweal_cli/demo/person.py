"""The people of the demonstration, signed in at a site's issuer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from commonweal_runtime.identity.sign_in import SignedIn, sign_in


@dataclass
class SignIn:
    """The people's issuer at `base`. Sessions are kept, for sign-in attempts are rate-limited."""

    base: str
    _sessions: dict[tuple[str, str], SignedIn] = field(default_factory=dict)

    def person(self, username: str, password: str, department: str) -> SignedIn:
        """Return the person's token for a department's data API, and the id that the department knows. Raises SignInError."""
        key = (username, department)
        if key not in self._sessions:
            self._sessions[key] = asyncio.run(sign_in(self.base, username, password, department))
        return self._sessions[key]
