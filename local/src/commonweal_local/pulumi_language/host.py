"""The LanguageRuntime service, as far as the engine needs it to run a program."""

# ruff: noqa: N802 - gRPC gives the methods their names
from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format  # type: ignore[import-untyped]
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from commonweal_local.pulumi_language.execute import SHOWN

EXECUTE = Path(__file__).with_name("execute.py")


class PythonHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Runs each program as a child process, whose standard streams are this process's: the engine shows them."""

    def __init__(self, engine: str = "") -> None:
        self.engine = engine
        self.children: set[subprocess.Popen[bytes]] = set()
        self.lock = threading.Lock()

    def Handshake(self, request: Any, _context: Any) -> Any:
        self.engine = request.engine_address or self.engine
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, _request: Any, _context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi"))

    def About(self, _request: Any, _context: Any) -> Any:
        return language_pb2.AboutResponse(executable=sys.executable, version=".".join(map(str, sys.version_info[:3])))

    def GetRequiredPlugins(self, _request: Any, _context: Any) -> Any:
        dependencies = (plugin_pb2.PluginDependency(**plugin) for plugin in required_plugins())
        return language_pb2.GetRequiredPluginsResponse(plugins=dependencies)

    def GetRequiredPackages(self, _request: Any, _context: Any) -> Any:
        packages = (plugin_pb2.PackageDependency(**plugin) for plugin in required_plugins())
        return language_pb2.GetRequiredPackagesResponse(packages=packages)

    def GetProgramDependencies(self, _request: Any, _context: Any) -> Any:
        found = [d for d in importlib.metadata.distributions() if d.metadata["Name"].lower().startswith("pulumi")]
        listed = (language_pb2.DependencyInfo(name=d.metadata["Name"], version=d.version) for d in found)
        return language_pb2.GetProgramDependenciesResponse(dependencies=listed)

    def RuntimeOptionsPrompts(self, _request: Any, _context: Any) -> Any:
        return language_pb2.RuntimeOptionsResponse()

    def InstallDependencies(self, _request: Any, context: Any) -> Iterator[Any]:
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            "This stand-in installs no packages: install the project with pip into the interpreter that runs it "
            "(or name its virtual environment in Pulumi.yaml, runtime.options.virtualenv).",
        )
        yield language_pb2.InstallDependenciesResponse()

    def Run(self, request: Any, _context: Any) -> Any:
        command, environment = command_line(request, self.engine), {**os.environ, **config_environment(request)}
        try:
            child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
        except OSError as error:
            return language_pb2.RunResponse(error=f"Cannot start {command[0]}: {error}. Check runtime.options.virtualenv in Pulumi.yaml.")
        with self.lock:
            self.children.add(child)
        code = child.wait()
        with self.lock:
            self.children.discard(child)
        if code in {0, SHOWN}:
            return language_pb2.RunResponse(bail=code == SHOWN)
        return language_pb2.RunResponse(error=f"Program exited with code {code}.")

    def Cancel(self, _request: Any, _context: Any) -> Any:
        self.end()
        return empty_pb2.Empty()

    def end(self) -> None:
        """Stop the programs that still run."""
        with self.lock:
            for child in self.children:
                child.terminate()


def command_line(request: Any, engine: str) -> list[str]:
    """Return the command that runs the program of this request."""
    root = request.info.program_directory or request.pwd
    program = Path(root) / (request.info.entry_point or request.program or ".")
    options = json_format.MessageToDict(request.info.options)
    command = [interpreter(options, request.info.root_directory or root), "-u", str(EXECUTE)]
    values = {
        "project": request.project,
        "stack": request.stack,
        "organization": request.organization,
        "monitor": request.monitor_address,
        "engine": request.args[0] if request.args else engine,
        "root": root,
        "pwd": request.pwd,
        "program": str(program),
        "parallel": str(request.parallel),
    }
    command += [f"--{key}={value}" for key, value in values.items()]
    return [*command, "--preview"] if request.dryRun else command


def interpreter(options: Mapping[str, Any], root: str) -> str:
    """Return the Python of `runtime.options.virtualenv` (relative to the project), else the one running this host."""
    environment = options.get("virtualenv")
    return str(Path(root, environment, "bin", "python")) if environment else sys.executable


def config_environment(request: Any) -> dict[str, str]:
    """Return the stack's configuration as the SDK reads it: in the environment, never on a command line."""
    return {"PULUMI_CONFIG": json.dumps(dict(request.config)), "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys))}


def required_plugins() -> list[dict[str, Any]]:
    """Return the plug-ins that the installed packages ask for, read from their `pulumi-plugin.json`."""
    found: list[dict[str, Any]] = []
    for distribution in importlib.metadata.distributions():
        for file in distribution.files or ():
            if file.name == "pulumi-plugin.json" and len(file.parts) == 2:
                data = json.loads(file.read_text())
                if data.get("resource"):
                    found.append(
                        {"name": data["name"], "version": data.get("version", ""), "kind": "resource", "server": data.get("server", "")}
                    )
    return found
