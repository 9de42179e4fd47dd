"""Attack j: keep people from signing in, and so from withdrawing, or guess a password, from one address and from several."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from commonweal_cli.demo.journey import REGISTRY
from commonweal_cli.demo.person import PEOPLE
from commonweal_local.exceptions import CommandFailedError
from commonweal_local.shell import run as shell
from commonweal_local.sites.site import BRIDGE, NETWORK
from commonweal_runtime.identity import sign_in as flow
from commonweal_runtime.identity.throttle import NAME
from security import witness
from security.findings import Finding
from security.stage import Stage

PART = "sign-in"
FLOOD = Path(__file__).parent / "flood.py"
NAMESPACE, LINK = "cw-attack", "cwa0"
ADDRESSES = tuple(f"{NETWORK}.{number}" for number in range(240, 246))
SOCKETS, HOLD_SECONDS, GUESSES = 1_100, 20, 150
REPLICAS = 2  # of the issuer; each counts for itself
CALLED_OFF = 200.0


def run(stage: Stage, say: Callable[[str], None]) -> list[Finding]:
    """Attack the issuer and a data API from addresses of the attacker's own, while people on others sign in and withdraw."""
    issuer, api = stage.site.sign_in.base, stage.site.apis[REGISTRY]
    one, many = ADDRESSES[:1], ADDRESSES[1:5]
    found: list[Finding] = []
    ada = at_home(stage)
    with attacker() as flood:
        for title, base, order in (
            ("1,100 silent sockets of one address, at the issuer", issuer, {"how": "idle", "from": one}),
            ("1,100 slow heads of one address, at the issuer", issuer, {"how": "heads", "from": one}),
            ("1,100 slow bodies of one address, at the issuer", issuer, {"how": "bodies", "from": one}),
            ("1,100 slow bodies of four addresses, at the issuer", issuer, {"how": "bodies", "from": many}),
            ("1,100 slow bodies of four addresses, at a data API", api, {"how": "bodies", "from": many}),
        ):
            say(title)
            with witness.watching(f"{PART}: {title}", stage, [*witness.everybody(stage), ada], found):
                became = flood({"base": base, "count": SOCKETS, "seconds": HOLD_SECONDS, **order})
            found.append(sockets(title, became))
        found += guessing(stage, flood, ada, say)
    return found


def sockets(title: str, became: Mapping[str, int]) -> Finding:
    """Return whether an attacker's connections were bounded. How they were is told; what counts are those who go on being answered."""
    lasting = became.get("held to the end", 0)
    detail = ", ".join(f"{count} {how}" for how, count in sorted(became.items()))
    return Finding(PART, title, bool(became) and lasting < SOCKETS, "shares of connections, and a deadline for each part", detail)


def guessing(
    stage: Stage, flood: Callable[[Mapping[str, Any]], Mapping[str, int]], ada: witness.Witness, say: Callable[[str], None]
) -> list[Finding]:
    """Guess at one name and at many; return how many guesses were heard, and who could sign in meanwhile."""
    issuer, found, name = stage.site.sign_in.base, list[Finding](), PEOPLE[0]
    most = REPLICAS * (NAME.burst + 2)  # two more intervals may pass
    for title, names, addresses in (
        ("150 wrong passwords at once for one name from one address", [name], ADDRESSES[:1]),
        ("150 wrong passwords at once for one name from four addresses", [name], ADDRESSES[1:5]),
        ("150 wrong passwords at once for names that there are not", [f"no-{n}.one" for n in range(50)], ADDRESSES[5:]),
    ):
        say(title)
        order = {"base": issuer, "how": "guesses", "from": addresses, "names": names, "count": GUESSES, "department": REGISTRY}
        with witness.watching(f"{PART}: {title}", stage, [*witness.everybody(stage), ada], found):
            became = flood(order)
        heard = became.get("heard", 0)
        detail = ", ".join(f"{count} {how}" for how, count in sorted(became.items()))
        bound = most if names == [name] else GUESSES // 2
        answered = sum(became.get(how, 0) for how in ("heard", "told to wait", "told that it is busy"))
        found.append(Finding(PART, title, heard <= bound and answered > 0, f"attempts are reserved first, at most {bound} heard", detail))
    return found


def at_home(stage: Stage) -> witness.Witness:
    """The person whose password is guessed, on a device on which she signed in before."""
    name, password, base, trust = PEOPLE[0], stage.site.password, stage.site.sign_in.base, stage.site.trust
    kept: dict[str, str] = {}

    async def signed_in() -> None:
        connector, jar = aiohttp.TCPConnector(ssl=trust), aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(base, connector=connector, cookie_jar=jar, cookies=kept) as session:
            ticket = await flow._page(session, flow._request("v" * 64, "s" * 16, REGISTRY, ()))
            await flow._code(session, {"ticket": ticket, "username": name, "password": password}, "s" * 16)
            kept.update({each.key: each.value for each in jar})

    def ask() -> str:
        asyncio.run(signed_in())
        return ""

    ask()
    return witness.Witness("the person whose password is guessed signs in at home", ask, 3.0, witness.SIGN_IN_PATIENCE)


@contextmanager
def attacker() -> Iterator[Callable[[Mapping[str, Any]], Mapping[str, int]]]:
    """A machine on the sites' bridge with addresses of its own; yields what has it send something, and takes it away afterwards."""
    away()
    try:
        shell("ip", "netns", "add", NAMESPACE)
        shell("ip", "link", "add", LINK, "type", "veth", "peer", "name", "eth0", "netns", NAMESPACE)
        shell("ip", "link", "set", LINK, "master", BRIDGE, "up")
        for address in ADDRESSES:
            shell("ip", "-n", NAMESPACE, "addr", "add", f"{address}/24", "dev", "eth0")
        shell("ip", "-n", NAMESPACE, "link", "set", "eth0", "up")
        yield send
    finally:
        away()


def send(order: Mapping[str, Any]) -> Mapping[str, int]:
    """Have the attacker's machine send what is ordered; return what became of it."""
    words = ["ip", "netns", "exec", NAMESPACE, "prlimit", "--nofile=8192", sys.executable, "-P", str(FLOOD), json.dumps(dict(order))]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=CALLED_OFF)
    if done.returncode:
        raise CommandFailedError(words, done.returncode, done.stderr[-2000:])
    return dict(json.loads(done.stdout))


def away() -> None:
    """Take the attacker's machine away, also one that a run left that was killed."""
    for words in (["ip", "link", "del", LINK], ["ip", "netns", "del", NAMESPACE]):
        with suppress(CommandFailedError):
            shell(*words)
