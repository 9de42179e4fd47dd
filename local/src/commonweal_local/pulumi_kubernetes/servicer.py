"""The ResourceProvider service: the engine's messages in, the operations of this package out, errors in words."""

# ruff: noqa: N802 - gRPC gives the methods their names
from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import grpc
from google.protobuf import any_pb2, empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from commonweal_local.pulumi_kubernetes import FOLLOWS, state
from commonweal_local.pulumi_kubernetes.check import check
from commonweal_local.pulumi_kubernetes.cluster import Cluster, NotServed, Refused, Unreachable
from commonweal_local.pulumi_kubernetes.config import ConfigError, Settings, config_change, settings
from commonweal_local.pulumi_kubernetes.differ import compare
from commonweal_local.pulumi_kubernetes.objects import from_token
from commonweal_local.pulumi_kubernetes.readiness import WaitForError
from commonweal_local.pulumi_kubernetes.resources import PartlyDone, ResourceError, Resources
from commonweal_local.pulumi_kubernetes.serving import OPTIONS
from commonweal_local.pulumi_kubernetes.values import has_unknowns, message, properties
from commonweal_local.pulumi_kubernetes.waiting import Waiter

Diff = provider_pb2.DiffResponse
EXPECTED = (ConfigError, NotServed, Refused, ResourceError, Unreachable, WaitForError)
Method = TypeVar("Method", bound=Callable[..., Any])


def spoken(method: Method) -> Method:
    """Turn the errors that this package raises into the engine's error, text only; anything else stays a bug with its traceback."""

    @functools.wraps(method)
    def call(self: Provider, request: Any, context: Any) -> Any:
        try:
            return method(self, request, context)
        except PartlyDone as error:
            context.abort_with_status(init_failed(error))
        except EXPECTED as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))

    return call  # type: ignore[return-value]


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One provider of a stack: configured once, then asked about its resources, from several threads at once."""

    def __init__(self, engine: str = "") -> None:
        self.engine = engine
        self.cancelled = threading.Event()
        self.settings = Settings()
        self._resources: Resources | None = None
        self._problem = "the provider is not configured"

    def Handshake(self, request: Any, _context: Any) -> Any:
        self.engine = request.engine_address or self.engine
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def Attach(self, request: Any, _context: Any) -> Any:
        self.engine = request.address
        return empty_pb2.Empty()

    def GetPluginInfo(self, _request: Any, _context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=FOLLOWS)

    def GetSchema(self, _request: Any, _context: Any) -> Any:
        return provider_pb2.GetSchemaResponse(schema=f'{{"name": "kubernetes", "version": "{FOLLOWS}"}}')

    def GetMapping(self, _request: Any, _context: Any) -> Any:
        return provider_pb2.GetMappingResponse()

    def GetMappings(self, _request: Any, _context: Any) -> Any:
        return provider_pb2.GetMappingsResponse()

    def Cancel(self, _request: Any, _context: Any) -> Any:
        self.cancelled.set()
        return empty_pb2.Empty()

    @spoken
    def CheckConfig(self, request: Any, _context: Any) -> Any:
        news = properties(request.news)
        if not has_unknowns(news):
            try:
                settings(news)
            except ConfigError as error:
                field, _, reason = str(error).partition(": ")
                return provider_pb2.CheckResponse(failures=[provider_pb2.CheckFailure(property=field, reason=reason)])
        return provider_pb2.CheckResponse(inputs=request.news)

    @spoken
    def DiffConfig(self, request: Any, _context: Any) -> Any:
        change = config_change(properties(request.olds), properties(request.news))
        return Diff(changes=Diff.DIFF_SOME if change.changed else Diff.DIFF_NONE, diffs=change.changed, replaces=change.replaces)

    @spoken
    def Configure(self, request: Any, _context: Any) -> Any:
        args = properties(request.args)
        if has_unknowns(args):
            self._problem = "the provider's settings are not known yet"
        else:
            self.settings = settings(args)
            self._resources = Resources(Cluster(self.settings), self.settings, Waiter(self.cancelled))
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True, acceptResources=False, acceptOutputs=False)

    @spoken
    def Check(self, request: Any, _context: Any) -> Any:
        token = request.urn.split("::")[-2].rpartition("$")[2]
        namespaced = self._namespaced(token) if self.settings.namespace else None
        inputs, failures = check(token, properties(request.news), namespace=self.settings.namespace, namespaced=namespaced)
        listed = [provider_pb2.CheckFailure(property=f.field, reason=f.reason) for f in failures]
        return provider_pb2.CheckResponse(inputs=message(inputs), failures=listed)

    @spoken
    def Diff(self, request: Any, _context: Any) -> Any:
        old = properties(request.olds)
        inputs = state.inputs_of(old) or properties(request.old_inputs)
        found = compare(inputs, properties(request.news), mutability=self.settings.mutability, ignore=list(request.ignoreChanges))
        kinds = provider_pb2.PropertyDiff.Kind
        detailed = {
            d.path: provider_pb2.PropertyDiff(
                kind=kinds.Value(f"{d.change.value}_REPLACE" if d.replaces else d.change.value), inputDiff=True
            )
            for d in found.differences
        }
        return Diff(
            changes=Diff.DIFF_SOME if detailed else Diff.DIFF_NONE,
            replaces=found.replaces,
            deleteBeforeReplace=found.delete_first,
            diffs=sorted({path.split(".")[0].split("[")[0] for path in detailed}),
            detailedDiff=detailed,
            hasDetailedDiff=True,
        )

    @spoken
    def Create(self, request: Any, _context: Any) -> Any:
        inputs = properties(request.properties)
        if request.preview:
            shown = self._previewed(request.urn, inputs, None)
            return provider_pb2.CreateResponse(properties=message(shown))
        identifier, made = self.resources.create(request.urn, inputs, request.timeout, self._teller(request.urn))
        return provider_pb2.CreateResponse(id=identifier, properties=message(made))

    @spoken
    def Update(self, request: Any, _context: Any) -> Any:
        inputs, old = properties(request.news), properties(request.olds)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=message(self._previewed(request.urn, inputs, old)))
        made = self.resources.update(request.urn, inputs, old, request.timeout, self._teller(request.urn))
        return provider_pb2.UpdateResponse(properties=message(made))

    @spoken
    def Read(self, request: Any, _context: Any) -> Any:
        token = request.urn.split("::")[-2].rpartition("$")[2]
        old, inputs = properties(request.properties), properties(request.inputs)
        try:
            found = self.resources.read(token, request.urn, request.id, old, inputs)
        except Unreachable:
            if not self.settings.delete_unreachable:
                raise
            found = None
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(id=request.id, properties=message(found[0]), inputs=message(found[1]))

    @spoken
    def Delete(self, request: Any, _context: Any) -> Any:
        try:
            self.resources.delete(properties(request.properties), request.id, request.timeout)
        except Unreachable:
            if not self.settings.delete_unreachable:
                raise
        return empty_pb2.Empty()

    @spoken
    def Invoke(self, request: Any, _context: Any) -> Any:
        raise ResourceError(f"{request.tok}: this stand-in has no functions. Render in the program, or use the vendor's plug-in.")

    @spoken
    def Construct(self, request: Any, _context: Any) -> Any:
        raise ResourceError(f"{request.type}: this stand-in has no components. Register plain resources, or use the vendor's plug-in.")

    @property
    def resources(self) -> Resources:
        """The operations. Raises ResourceError while the provider is not configured."""
        if self._resources is None:
            raise ResourceError(f"No cluster to work on: {self._problem}.")
        return self._resources

    def _previewed(self, urn: str, inputs: Any, old: Any) -> Any:
        """Return the previewed state; without a cluster to ask, the inputs."""
        if self._resources is None:
            return inputs
        try:
            return self._resources.preview(urn, inputs, old)
        except Unreachable as error:
            self._teller(urn, engine_pb2.WARNING)(f"{error} The preview shows the inputs only.")
            return inputs

    def _namespaced(self, token: str) -> bool | None:
        if self._resources is None:
            return None
        try:
            return self._resources.cluster.kind(*from_token(token)).namespaced
        except (NotServed, Unreachable):
            return None

    def _teller(self, urn: str, severity: Any = engine_pb2.INFO) -> Callable[[str], None]:
        """Return how to show a line beside a resource while it is worked on; a lost engine loses the line only."""

        def tell(text: str) -> None:
            if not self.engine:
                return
            with grpc.insecure_channel(self.engine, options=OPTIONS) as channel:
                request = engine_pb2.LogRequest(severity=severity, message=text, urn=urn, ephemeral=severity == engine_pb2.INFO)
                try:
                    engine_pb2_grpc.EngineStub(channel).Log(request, timeout=2.0)
                except grpc.RpcError:
                    return

        return tell


class _Status(grpc.Status):  # type: ignore[misc]  # grpc has no types
    """A gRPC status with details."""

    def __init__(self, details: str, metadata: tuple[tuple[str, bytes], ...]) -> None:
        self.code, self.details, self.trailing_metadata = grpc.StatusCode.UNKNOWN, details, metadata


def init_failed(error: PartlyDone) -> grpc.Status:
    """Return the status that makes the engine keep the object's state and mark it as not ready."""
    detail = provider_pb2.ErrorResourceInitFailed(
        id=error.identifier, properties=message(error.state), inputs=message(state.inputs_of(error.state)), reasons=[error.reason]
    )
    packed = any_pb2.Any()
    packed.Pack(detail)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=error.reason, details=[packed])
    return _Status(error.reason, (("grpc-status-details-bin", status.SerializeToString()),))
