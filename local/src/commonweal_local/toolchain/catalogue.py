"""Which programs there are, which versions of them suit, and what each is built from.

All of them are built in one Go module (`local/toolchain`) with the same versions of what they share, so that each package compiles once. What
needs another version of something has a list of dependencies of its own beside the module's, which differs in nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from commonweal_local.exceptions import LocalError

KUBERNETES = "1.36.3"
NEXT_KUBERNETES = "1.37.2"
PULUMI = "3.229.0"
# The release that the pinned commit became; the Python SDK of the stacks is of the same one.
PULUMI_KUBERNETES = "4.25.0"


@dataclass(frozen=True)
class Binary:
    """One file to build: its main package and values set by the linker.

    `modfile` is another list of dependencies for the same sources, relative to `local/toolchain`. `alone` keeps it out of the
    builds of others. `data` are files of a pinned module that its main package embeds, as (module, file, name here).
    """

    file: str
    package: str
    values: Sequence[str] = ()
    modfile: str = ""
    alone: bool = False
    data: Sequence[tuple[str, str, str]] = ()

    @property
    def family(self) -> str:
        """What is built together into one directory: the first part of its name."""
        return PurePath(self.modfile).parent.name or "programs"

    @property
    def built_as(self) -> str:
        """The file that `go build` writes: the last part of the package that is no major version."""
        parts = [part for part in PurePath(self.package).parts if not (part[:1] == "v" and part[1:].isdigit())]
        return parts[-1]


@dataclass(frozen=True)
class Program:
    """A program as it is called.

    `version` are the arguments that make it print its version, and `accepts` a pattern for what it then must print; a program
    without a pattern is never taken from the machine.
    """

    name: str
    binary: Binary
    version: Sequence[str] = ("--version",)
    accepts: str | None = None


def _site_kube(version: str, modfile: str = "") -> Binary:
    """Every program of Kubernetes in one file, which knows by its name which of them it is."""
    major, minor, _ = version.split(".")
    values = (
        f"k8s.io/component-base/version.gitVersion=v{version}",
        f"k8s.io/component-base/version.gitMajor={major}",
        f"k8s.io/component-base/version.gitMinor={minor}",
        f"k8s.io/client-go/pkg/version.gitVersion=v{version}",
    )
    return Binary("site-kube", "./site-kube", values, modfile)


SITE_KUBE = _site_kube(KUBERNETES)
NEXT_SITE_KUBE = _site_kube(NEXT_KUBERNETES, "kubernetes-1.37/go.mod")
KUBERNETES_VERSIONS: Mapping[str, Binary] = {f"v{KUBERNETES}": SITE_KUBE, f"v{NEXT_KUBERNETES}": NEXT_SITE_KUBE}
COREDNS = Binary("coredns", "./coredns")
HELM = Binary("helm", "helm.sh/helm/v3/cmd/helm")
# Its dependencies hold one package under two spellings (Sirupsen, sirupsen), which Go refuses in a build of several programs.
VOLUMES = Binary("local-path-provisioner", "github.com/rancher/local-path-provisioner", alone=True)
POLICIES = Binary("kube-network-policies", "sigs.k8s.io/kube-network-policies/cmd")
PULUMI_CLI = Binary(
    "pulumi",
    "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    (f"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={PULUMI}",),
    modfile="pulumi/go.mod",
)
PULUMI_PROVIDER = "github.com/pulumi/pulumi-kubernetes/provider/v4"
PULUMI_PLUGIN = Binary(
    "pulumi-resource-kubernetes",
    "./pulumi-resource-kubernetes",
    (f"{PULUMI_PROVIDER}/pkg/version.Version={PULUMI_KUBERNETES}",),
    modfile="pulumi/go.mod",
    data=tuple(
        (PULUMI_PROVIDER, f"cmd/pulumi-resource-kubernetes/{name}", f"pulumi-resource-kubernetes/{name}")
        for name in ("schema.json", "terraform-mapping.json")
    ),
)
KWOK = Binary("kwok", "./kwok")
# It prints tables with a library that Pulumi and Cluster API use in another major version; all else is as for the others.
ETCDUTL = Binary("etcdutl", "go.etcd.io/etcd/etcdutl/v3", modfile="etcdutl/go.mod")
CLUSTER_API = Binary("cluster-api", "sigs.k8s.io/cluster-api/core")
BINARIES = (SITE_KUBE, NEXT_SITE_KUBE, COREDNS, HELM, VOLUMES, POLICIES, PULUMI_CLI, PULUMI_PLUGIN, KWOK, ETCDUTL, CLUSTER_API)

SAME_MINOR = r"v1\.36\.\d+"
# The add-ons' programs run in pods without a C library, so only our own static builds will do.
_ALL = (
    Program("etcd", SITE_KUBE, accepts=r"etcd Version: 3\.6\."),
    Program("kube-apiserver", SITE_KUBE, accepts=SAME_MINOR),
    Program("kube-controller-manager", SITE_KUBE, accepts=SAME_MINOR),
    Program("kube-scheduler", SITE_KUBE, accepts=SAME_MINOR),
    Program("kubelet", SITE_KUBE, accepts=SAME_MINOR),
    Program("kube-proxy", SITE_KUBE, accepts=SAME_MINOR),
    Program("kubectl", SITE_KUBE, version=("version", "--client"), accepts=r"v1\.3[567]\.\d+"),
    Program("helm", HELM, version=("version", "--short"), accepts=r"v3\.\d+\."),
    Program("pulumi", PULUMI_CLI, version=("version",), accepts=r"v?3\.\d+\."),
    # The vendor's own lies in the Pulumi home, where the CLI finds it by itself; on PATH only one of just this version will do.
    Program("pulumi-resource-kubernetes", PULUMI_PLUGIN),
    Program("coredns", COREDNS),
    Program("kube-network-policies", POLICIES),
    Program("local-path-provisioner", VOLUMES),
    Program("kwok", KWOK, accepts=r"v0\.[78]\.\d+"),
    Program("etcdutl", ETCDUTL, version=("version",), accepts=r"etcdutl version: 3\.6\."),
    Program("cluster-api", CLUSTER_API),
)
_BY_NAME = {program.name: program for program in _ALL}
PROGRAMS = tuple(_BY_NAME)


def named(name: str) -> Program:
    """The program of that name; raises LocalError for a name that is not in the catalogue."""
    if name not in _BY_NAME:
        raise LocalError(f"{name!r} is not a program of the toolchain", f"It has {', '.join(PROGRAMS)}.")
    return _BY_NAME[name]


def kubernetes(version: str) -> Binary:
    """The file that holds the programs of that version of Kubernetes; raises LocalError for a version that is not built here."""
    if version not in KUBERNETES_VERSIONS:
        raise LocalError(
            f"Kubernetes {version} is not among the versions of local sites",
            f"There are {' and '.join(KUBERNETES_VERSIONS)}; name one of them.",
        )
    return KUBERNETES_VERSIONS[version]


def programs_in(binary: Binary) -> list[str]:
    """The names under which a built file is called."""
    return [program.name for program in _ALL if program.binary.file == binary.file]


def values_in(binary: Binary) -> list[str]:
    """What the linker sets in any file of the same family."""
    return sorted({value for other in BINARIES if other.family == binary.family for value in other.values})


def places_in(binary: Binary) -> list[str]:
    """The directories below `local/toolchain` that hold main packages of ours of the same family."""
    return sorted({other.package for other in BINARIES if other.family == binary.family and other.package.startswith("./")})
