"""How a command is added to the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def command(
    into: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser = into.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=run)
    return parser
