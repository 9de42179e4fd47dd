"""`commonweal dev`: a stack from a folder, and the commands that speak with it."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click

from commonweal_api import KINDS, namespace_of
from commonweal_api.plan import audience_of
from commonweal_cli.conventions import DONE, FAILED, LazyGroup, output_option, show
from commonweal_cli.dev import control, manifests, printed, sampling
from commonweal_cli.dev.layout import MEMORY, STATE, Layout, Numbering
from commonweal_cli.dev.processes import SOURCES, Nursery
from commonweal_cli.dev.stage import Options, Stage
from commonweal_cli.dev.workloads import server_user
from commonweal_local.exceptions import LocalError
from commonweal_runtime.store.postgres import binary

FIRST_PORT = 8700
OLDEST = 15
# A process begins with what it needs of the caller's surroundings, and no more: nothing that a shell has set decides what a stack does.
INHERITED = ("PATH", "PYTHONPATH", "PYTHONUTF8", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


@click.group(cls=LazyGroup, default="run")
def dev() -> None:
    """A department's whole stack on this machine, from its manifests: `commonweal dev FOLDER`. No cluster, no container, no root."""


@dev.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--port", default=FIRST_PORT, show_default=True, help="the first of the ports on 127.0.0.1")
@click.option("--sample", is_flag=True, help="fill sources from FOLDER/heritage/DATABASE.sql where that file is there")
@click.option("--synthetic", is_flag=True, help="ask no source; every product gets made-up rows, or the sample's")
@click.option("--no-sign", is_flag=True, help="leave agreements as their parties have signed them")
@click.option("--keep", is_flag=True, help="leave data and keys in the folder, and go on from there the next time")
def run(folder: Path, port: int, sample: bool, synthetic: bool, no_sign: bool, keep: bool) -> None:
    """Run the stack of FOLDER until Ctrl-C."""
    options = Options(folder.resolve(), port, sample, synthetic, not no_sign, keep)
    first = manifests.read(options.folder)
    _say_foreign(first)
    _refuse_second(options.folder)
    _check_postgres()
    _check_reachable(options.folder)
    layout = _prepared(options)
    _check_ports(Numbering(port, layout.numbers), first.departments)
    nursery = Nursery.start(layout.run)
    try:
        _quiet(layout.root / "logs" / "operator.log")
        asyncio.run(_until_told(options, layout, nursery, first))
    finally:
        nursery.close()
        (layout.root / "run").unlink(missing_ok=True)
        if not keep:
            shutil.rmtree(layout.root, ignore_errors=True)


async def _until_told(options: Options, layout: Layout, nursery: Nursery, first: manifests.Manifests) -> None:
    started, loop = time.monotonic(), asyncio.get_running_loop()
    stage = Stage(options, layout, nursery, {k: v for k, v in os.environ.items() if k in INHERITED}, _say)
    task = asyncio.ensure_future(
        stage.run(first, lambda: _say("\n".join([f"ready after {time.monotonic() - started:.1f} s", *stage.usage()])))
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def _prepared(options: Options) -> Layout:
    root = options.folder / STATE
    # Stores are worth nothing without the objects: their keys are among them.
    half = (root / "stores").exists() and not (root / MEMORY).exists()
    if root.exists() and (half or not options.keep):
        _say(f"removes what an earlier run left in {STATE}{', for it was left half' if half else ''}")
        shutil.rmtree(root)
    root.mkdir(exist_ok=True, mode=0o755)
    runs = Path(tempfile.mkdtemp(prefix="commonweal-dev-"))
    runs.chmod(0o711)
    link = root / "run"
    link.unlink(missing_ok=True)
    link.symlink_to(runs)
    (root / "logs").mkdir(exist_ok=True)
    return Layout(root, runs)


def _check_postgres() -> None:
    """Raise LocalError unless there is a PostgreSQL that a store can run on."""
    try:
        said = subprocess.run([binary("postgres"), "--version"], capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        raise LocalError("There is no PostgreSQL on this machine", "Install it: `apt-get install postgresql`.") from None
    major = re.search(r"(\d+)", said)
    if major is None or int(major[1]) < OLDEST:
        raise LocalError(
            f"{said.strip()} is too old for a store", f"Install PostgreSQL {OLDEST} or later, or put its programs first on PATH."
        )


def _check_reachable(folder: Path) -> None:
    """Raise LocalError where root runs this, and the user whom PostgreSQL then runs as cannot come to its data, or to the program that lays its certificate."""
    if server_user() is None:
        return
    closed = next((place for way in (folder, SOURCES) for place in (way, *way.parents) if not place.stat().st_mode & 0o001), None)
    if closed is not None:
        raise LocalError(
            f"PostgreSQL does not run as root, and another user cannot enter {closed}",
            "Run this as an ordinary user, or with folder and program where all may enter.",
        )


def _refuse_second(folder: Path) -> None:
    try:
        control.Stack(folder).ask("told")
    except LocalError:
        return
    raise LocalError(f"A stack of {folder} runs already", "End it with Ctrl-C where it runs, or look at it with `commonweal dev get`.")


def _check_ports(numbers: Numbering, departments: list[str]) -> None:
    for port in numbers.all(departments):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise LocalError(
                    f"Port {port} on 127.0.0.1 is taken", "End what listens there, or choose other ports with --port."
                ) from None


def _say_foreign(found: manifests.Manifests) -> None:
    for kind, file in found.foreign.items():
        _say(f"{kind} ({file.name}) has no meaning here and is left out")


def _quiet(log: Path) -> None:
    logging.basicConfig(filename=log, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


folder_option = click.option(
    "--folder", default=Path(), type=click.Path(path_type=Path, exists=True, file_okay=False), help="the stack's folder (default: this one)"
)
folder_argument = click.argument("folder", default=Path(), type=click.Path(path_type=Path, exists=True, file_okay=False))


@dev.command()
@folder_argument
@click.option("--wide", is_flag=True, help="more columns")
@output_option
def get(folder: Path, wide: bool, output: str) -> None:
    """Show the stack's departments, products, agreements and models, as kubectl would."""
    stack = control.Stack(folder.resolve())
    found = {kind.plural: stack.items(kind.plural) for kind in KINDS}
    show(output, found, lambda: iter(["\n\n".join(printed.tables(found, datetime.now(UTC), wide=wide))]))


@dev.command()
@click.argument("client", metavar="DEPARTMENT/ACCOUNT")
@click.argument("provider", metavar="PROVIDER")
@folder_option
def token(client: str, provider: str, folder: Path) -> None:
    """Print a token with which a department's service asks PROVIDER."""
    department, _, account = client.partition("/")
    print(control.Stack(folder.resolve()).token(namespace_of(department), account, audience_of(provider)))


@dev.command()
@folder_argument
def journey(folder: Path) -> int:
    """Walk the demonstration's journey through the stack of examples/start-a-business."""
    from commonweal_cli.demo.report import table  # noqa: PLC0415 - knows Pulumi
    from commonweal_cli.demo.walk import summary, walk  # noqa: PLC0415

    stack = control.Stack(folder.resolve())
    told = stack.ask("told")
    os.environ["COMMONWEAL_HOME"] = str(
        folder.resolve() / STATE
    )  # the newest seal that was seen is remembered there, not in the person's home
    rows = walk(stack, told["issuer"], told["password"])
    print(f"{table(rows)}\n\n{summary(rows)}")
    return DONE if all(row.ok for row in rows) else FAILED


@dev.command()
@click.argument("product", metavar="DEPARTMENT/PRODUCT")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@folder_option
@click.option("--seed", default=0, show_default=True, help="another seed, other rows")
def sample(product: str, file: Path, folder: Path, seed: int) -> None:
    """Write a product's made-up rows to FILE, .parquet or .csv, for other tools. Needs no stack that runs."""
    sampling.write(manifests.read(folder.resolve()), product, file, seed)
