"""What a command takes over from its surroundings, set right once before anything runs: text, proxies, and where caches may lie."""

from __future__ import annotations

import errno
import io
import locale
import os
import pwd
import ssl
import sys
import urllib.parse
import urllib.request
from collections.abc import Mapping, MutableMapping
from ipaddress import IPv4Network, collapse_addresses, ip_address, ip_network
from pathlib import Path

from commonweal_local import paths
from commonweal_local.exceptions import LocalError
from commonweal_local.sites.site import DOMAIN, MOST_SITES, NETWORK, Mode, Site
from commonweal_stacks.blueprint import REVISIONS

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")
LOOPBACK = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1")
NAMES = (f".{DOMAIN}", ".svc", ".cluster.local")
REFUSED, FULL = (errno.EACCES, errno.EPERM, errno.EROFS), (errno.ENOSPC, errno.EDQUOT)


def set_right() -> None:
    """For a program that starts: afterwards text is UTF-8, printing raises for no character, and no child asks a neighbour through a proxy."""
    read_as_utf8()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    ask_neighbours_directly(os.environ)
    find_caches(os.environ)


def read_as_utf8() -> None:
    """Start this program once more in Python's UTF-8 mode where the locale is of another encoding; files and programs here speak UTF-8.

    In the locales C and POSIX Python chooses that mode itself.
    """
    if sys.flags.utf8_mode or locale.getencoding().lower() == "utf-8":
        return
    os.environ["PYTHONUTF8"] = "1"
    os.execv(sys.executable, [sys.orig_argv[0], "-X", "utf8", *sys.orig_argv[1:]])


def near() -> list[str]:
    """What is never asked through a proxy: this machine, the sites' networks (for all sites that there can be), and their names."""
    before = [Site("any", index, Mode.PODS, Path("/"), {}).network for index in range(MOST_SITES[Mode.PODS])]
    inside = [IPv4Network(each) for one in (*before, *(known.network for known in REVISIONS.values())) for each in (one.pods, one.services)]
    return [*LOOPBACK, f"{NETWORK}.0/24", *map(str, collapse_addresses(inside)), *NAMES]


def proxies_of(environment: Mapping[str, str]) -> list[str]:
    """The names of the variables that name a proxy."""
    return [name for each in PROXIES for name in (each, each.upper()) if environment.get(name)]


def ask_neighbours_directly(environment: MutableMapping[str, str]) -> None:
    """Add what is near to `no_proxy` and `NO_PROXY`, when a proxy is named: programs differ in which they read."""
    if not proxies_of(environment):
        return
    excepted = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    known = [word.strip() for word in excepted.split(",") if word.strip()]
    environment["no_proxy"] = environment["NO_PROXY"] = ",".join(dict.fromkeys([*known, *near()]))


def opener(address: str, authority: str = "") -> urllib.request.OpenerDirector:
    """What opens this address: directly when it is near, else as the environment says; `urllib` itself knows no networks in `no_proxy`. See `believing`."""
    host = urllib.parse.urlsplit(address).hostname or ""
    direct = [urllib.request.ProxyHandler({})] if is_near(host) else []
    believed = [urllib.request.HTTPSHandler(context=believing(authority))] if authority else []
    return urllib.request.build_opener(*direct, *believed)


def believing(authority: str) -> ssl.SSLContext:
    """Return what a server's certificate is checked by: the authorities of this machine, and besides the one given as PEM."""
    context = ssl.create_default_context()
    if authority:
        context.load_verify_locations(cadata=authority)
    return context


def is_near(host: str) -> bool:
    """Whether a host is this machine, or in a site."""
    try:
        found = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(NAMES)
    return any(found in ip_network(each) for each in near() if "/" in each or each == "::1")


def find_caches(environment: MutableMapping[str, str]) -> None:
    """Where the home cannot be written but COMMONWEAL_CACHE can: what Go, pip and helm keep goes there too. Credentials stay where they are.

    Pulumi goes by the home that the system has written down for the user, not by HOME; where that one cannot be written it is told of HOME.
    """
    kept, of_the_user = environment.get("COMMONWEAL_CACHE"), _home_of_the_user()
    if not environment.get("HOME") and of_the_user:
        environment["HOME"] = of_the_user
    home = environment.get("HOME")
    if home and _is_writable(home):
        if not of_the_user or not _is_writable(of_the_user):
            environment.setdefault("PULUMI_HOME", str(Path(home) / ".pulumi"))
    elif kept:
        for variable, directory in (("XDG_CACHE_HOME", "others"), ("GOPATH", "go/path"), ("PULUMI_HOME", "pulumi-home")):
            environment.setdefault(variable, str(Path(kept).resolve() / directory))


def _home_of_the_user() -> str | None:
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return None


def explained(error: OSError) -> LocalError | None:
    """In words what a disk or its rights refused; None for any other error, which is a fault."""
    if error.errno in FULL:
        return LocalError(f"Nothing more can be written, the disk is full ({error})", "Free some space, then repeat: it goes on from here.")
    if error.errno in REFUSED and isinstance(error.filename, str | bytes | os.PathLike):
        place = Path(os.fsdecode(error.filename))
        remedy = paths.ELSEWHERE if paths.variable_of(place) else "Run this as the user who owns it, or change its rights."
        return LocalError(f"{place}: {error.strerror}", remedy)
    return None


def _is_writable(home: str) -> bool:
    try:
        paths.require_writable(Path(home))
    except LocalError:
        return False
    return True
