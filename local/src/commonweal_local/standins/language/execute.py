"""Run one Pulumi program, in a process and with an interpreter of its own.

Started by file path with the program's interpreter, which may be that of a virtual environment: it imports `pulumi` and the
standard library only. Exit code 0: done. `SHOWN`: failed, and the engine has been given the reason. Anything else: failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pulumi
from pulumi.errors import RunError
from pulumi.runtime import reset_options, run_in_stack, set_all_config

SHOWN = 32


def arguments(argv: list[str]) -> argparse.Namespace:
    """Return the run's options; unknown ones are an error."""
    parser = argparse.ArgumentParser(description="Run a Pulumi program (started by the language host).")
    for name in ("project", "stack", "organization", "monitor", "engine", "root", "pwd", "program"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--parallel", type=int, default=0)
    parser.add_argument("--preview", action="store_true")
    return parser.parse_args(argv)


def entry(program: str) -> Path:
    """Return the file to run: the program itself, or `__main__.py` in its directory."""
    path = Path(program)
    return path if path.suffix == ".py" else path / "__main__.py"


def run_program(args: argparse.Namespace) -> None:
    """Run the program's file as `__main__`, in its directory, with its directory first on the module path."""
    os.chdir(args.pwd or args.root)
    file = entry(args.program)
    if not file.is_file():
        raise RunError(f"The program {file} does not exist: set `main` in Pulumi.yaml to the directory that holds __main__.py.")
    sys.path.insert(0, str(file.parent))
    sys.argv = [str(file)]
    runpy.run_path(str(file), run_name="__main__")


def configure(args: argparse.Namespace) -> None:
    """Point the SDK at the engine and give it the stack's configuration."""
    reset_options(
        project=args.project,
        stack=args.stack,
        parallel=args.parallel,
        engine_address=args.engine,
        monitor_address=args.monitor,
        preview=args.preview,
        organization=args.organization or "organization",
        root_directory=args.root,
    )
    set_all_config(json.loads(os.environ.get("PULUMI_CONFIG", "{}")), json.loads(os.environ.get("PULUMI_CONFIG_SECRET_KEYS", "[]")))


def user_traceback(error: BaseException) -> str:
    """Return the traceback without the frames of this file and of runpy, which tell the author nothing."""
    frames = traceback.extract_tb(error.__traceback__)
    own = {__file__, runpy.__file__, "<frozen runpy>"}
    kept = [frame for frame in frames if frame.filename not in own]
    lines = traceback.format_list(kept or list(frames)) + traceback.format_exception_only(type(error), error)
    return "".join(lines)


def report(error: BaseException) -> int:
    """Tell the engine why the program failed; return the exit code."""
    if isinstance(error, grpc.RpcError) and error.code() == grpc.StatusCode.UNAVAILABLE:
        return SHOWN  # the engine is closing down, after an error of its own that it has shown
    if isinstance(error, RunError):
        pulumi.log.error(str(error))
    else:
        pulumi.log.error(f"Program failed with an unhandled exception:\nTraceback (most recent call last):\n{user_traceback(error)}")
    return SHOWN


def main(argv: list[str]) -> int:
    args = arguments(argv)
    configure(args)
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(max_workers=max(args.parallel, 1) * 4))
    # Failures come back through run_in_stack; a task that lost its engine would only repeat them.
    loop.set_exception_handler(lambda _loop, _context: None)
    try:
        loop.run_until_complete(run_in_stack(lambda: run_program(args)))
    except KeyboardInterrupt:
        return SHOWN  # the engine ends its children so, after an error of its own that it has shown, or because a person did
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a program may raise anything
        if isinstance(error, SystemExit) and error.code in {0, None}:
            return 0
        return report(error)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
