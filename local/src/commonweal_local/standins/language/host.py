"""The LanguageRuntime service, as far as the engine needs it to run a program or a policy pack."""

# ruff: noqa: N802 - gRPC gives the methods their names
from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

import grpc
from google.protobuf import empty_pb2, json_format  # type: ignore[import-untyped]
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from commonweal_local.standins.language.execute import SHOWN

EXECUTE = Path(__file__).with_name("execute.py")
PIECE = 65536  # bytes


class PythonHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Runs each program as a child process. Its standard streams are this process's, which the engine shows."""

    def __init__(self, engine: str = "") -> None:
        self.engine = engine
        self.children: set[subprocess.Popen[bytes]] = set()

    def GetPluginInfo(self, _request: Any, _context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi"))

    def About(self, _request: Any, _context: Any) -> Any:
        return language_pb2.AboutResponse(executable=sys.executable, version=".".join(map(str, sys.version_info[:3])))

    def GetRequiredPackages(self, _request: Any, _context: Any) -> Any:
        packages = (plugin_pb2.PackageDependency(**plugin) for plugin in required_plugins())
        return language_pb2.GetRequiredPackagesResponse(packages=packages)

    def Run(self, request: Any, _context: Any) -> Any:
        command, environment = program_command(request, self.engine), {**os.environ, **config_environment(request)}
        try:
            child = self._start(command, env=environment)
        except OSError as error:
            return language_pb2.RunResponse(error=f"Cannot start {command[0]}: {error}. Check runtime.options.virtualenv in Pulumi.yaml.")
        code = self._end_of(child)
        if code in {0, SHOWN}:
            return language_pb2.RunResponse(bail=code == SHOWN)
        return language_pb2.RunResponse(error=f"Program exited with code {code}.")

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
        """Run a policy pack until it ends or the engine hangs up, and pass on what it prints: first the port it serves on."""
        if request.kind != "analyzer":
            reason = f"This language host runs programs and policy packs, no plug-in of the kind {request.kind!r}: install Pulumi's own."
            context.abort(grpc.StatusCode.UNIMPLEMENTED, reason)
        environment = dict(entry.partition("=")[::2] for entry in request.env)
        child = self._start(pack_command(request), env=environment, cwd=request.pwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        context.add_callback(child.terminate)
        yield from (language_pb2.RunPluginResponse(**piece) for piece in printed(child))
        yield language_pb2.RunPluginResponse(exitcode=self._end_of(child))

    def Cancel(self, _request: Any, _context: Any) -> Any:
        self.end()
        return empty_pb2.Empty()

    def end(self) -> None:
        """Stop what still runs."""
        for child in list(self.children):
            child.terminate()

    def _start(self, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
        self.children.add(child)
        return child

    def _end_of(self, child: subprocess.Popen[bytes]) -> int:
        code = child.wait()
        self.children.discard(child)
        return code


def printed(child: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """Yield what a process prints, as it prints it, under the name of the stream, until both streams have ended."""
    pieces: SimpleQueue[tuple[str, bytes]] = SimpleQueue()
    streams: dict[str, IO[bytes] | None] = {"stdout": child.stdout, "stderr": child.stderr}

    def read(name: str, stream: Any) -> None:
        with stream:
            while piece := stream.read1(PIECE):
                pieces.put((name, piece))
        pieces.put((name, b""))

    for name, stream in streams.items():
        threading.Thread(target=read, args=(name, stream), daemon=True).start()
    while streams:
        name, piece = pieces.get()
        if piece:
            yield {name: piece}
        else:
            del streams[name]


def program_command(request: Any, engine: str) -> list[str]:
    """Return the command that runs the program of this request."""
    values = {
        "project": request.project,
        "stack": request.stack,
        "organization": request.organization,
        "monitor": request.monitor_address,
        "engine": engine,
        "root": request.info.root_directory,
        "pwd": request.pwd,
        "program": str(Path(request.info.program_directory, request.info.entry_point or ".")),
        "parallel": str(request.parallel),
    }
    command = [interpreter(request.info), "-u", str(EXECUTE), *(f"--{key}={value}" for key, value in values.items())]
    return [*command, "--preview"] if request.dryRun else command


def pack_command(request: Any) -> list[str]:
    """Return the command that runs the policy pack of this request, by the SDK's own launcher."""
    return [interpreter(request.info), "-u", "-m", "pulumi.policy", *request.args, request.info.program_directory]


def interpreter(info: Any) -> str:
    """Return the Python of `runtime.options.virtualenv` (relative to the project), else the one running this host."""
    environment = json_format.MessageToDict(info.options).get("virtualenv")
    return str(Path(info.root_directory, environment, "bin", "python")) if environment else sys.executable


def config_environment(request: Any) -> dict[str, str]:
    """Return the stack's configuration as the SDK reads it: in the environment, never on a command line."""
    return {"PULUMI_CONFIG": json.dumps(dict(request.config)), "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys))}


def required_plugins() -> list[dict[str, Any]]:
    """Return the plug-ins that the installed packages ask for, read from their `pulumi-plugin.json`."""
    files = (file for place in sys.path for file in sorted(Path(place or ".").glob("*/pulumi-plugin.json")))
    found = (json.loads(file.read_text(encoding="utf-8")) for file in files)
    return [
        {key: data.get(key, "") for key in ("name", "version", "server")} | {"kind": "resource"} for data in found if data.get("resource")
    ]
