"""`commonweal completion bash|zsh|fish`: the script with which a shell completes this command's words."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from commonweal_cli.conventions import DONE

VARIABLE = "_COMMONWEAL_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the script that completes this command: eval "$(commonweal completion bash)"."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"{shell} cannot be served.", ctx)
    # Not bash's own `source`, which starts bash to ask for its version.
    print(ShellComplete.source(kind(ctx.find_root().command, {}, "commonweal", VARIABLE)))
    return DONE
