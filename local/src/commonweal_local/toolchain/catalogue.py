"""Which programs there are, which versions of them suit, and what each is built from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commonweal_local.failure import LocalError

KUBERNETES = "1.34.4"
PULUMI = "3.220.0"


@dataclass(frozen=True)
class Binary:
    """One file to build: its Go module (a directory below `local/toolchain`), its main package, values set by the linker."""

    file: str
    module: str
    package: str
    values: Sequence[str] = ()


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


SITE_KUBE = Binary(
    "site-kube",
    "",
    "./site-kube",
    (
        f"k8s.io/component-base/version.gitVersion=v{KUBERNETES}",
        "k8s.io/component-base/version.gitMajor=1",
        "k8s.io/component-base/version.gitMinor=34",
        f"k8s.io/client-go/pkg/version.gitVersion=v{KUBERNETES}",
    ),
)
COREDNS = Binary("coredns", "", "./coredns")
HELM = Binary("helm", "", "helm.sh/helm/v3/cmd/helm")
VOLUMES = Binary("local-path-provisioner", "", "github.com/rancher/local-path-provisioner")
POLICIES = Binary("kube-network-policies", "", "sigs.k8s.io/kube-network-policies/cmd")
PULUMI_CLI = Binary(
    "pulumi",
    "pulumi",
    "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    (f"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={PULUMI}",),
)
KWOK = Binary("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok")

SAME_MINOR = r"v1\.34\.\d+"
# The add-ons' programs run in pods without a C library, so only our own static builds will do.
_ALL = (
    Program("etcd", SITE_KUBE, accepts=r"etcd Version: 3\.6\."),
    Program("kube-apiserver", SITE_KUBE, accepts=SAME_MINOR),
    Program("kube-controller-manager", SITE_KUBE, accepts=SAME_MINOR),
    Program("kube-scheduler", SITE_KUBE, accepts=SAME_MINOR),
    Program("kubelet", SITE_KUBE, accepts=SAME_MINOR),
    Program("kube-proxy", SITE_KUBE, accepts=SAME_MINOR),
    Program("kubectl", SITE_KUBE, version=("version", "--client"), accepts=r"v1\.3[345]\.\d+"),
    Program("helm", HELM, version=("version", "--short"), accepts=r"v3\.\d+\."),
    Program("pulumi", PULUMI_CLI, version=("version",), accepts=r"v?3\.\d+\."),
    Program("coredns", COREDNS),
    Program("kube-network-policies", POLICIES),
    Program("local-path-provisioner", VOLUMES),
    Program("kwok", KWOK, accepts=r"v0\.7\.\d+"),
)
_BY_NAME = {program.name: program for program in _ALL}
PROGRAMS = tuple(_BY_NAME)


def named(name: str) -> Program:
    """The program of that name; raises LocalError for a name that is not in the catalogue."""
    if name not in _BY_NAME:
        raise LocalError(f"{name!r} is not a program of the toolchain", f"It has {', '.join(PROGRAMS)}.")
    return _BY_NAME[name]


def programs_in(binary: Binary) -> list[str]:
    """The names under which a built file is called."""
    return [program.name for program in _ALL if program.binary == binary]


def values_in(module: str) -> list[str]:
    """What the linker sets in any file built from that module."""
    return sorted({value for program in _ALL if program.binary.module == module for value in program.binary.values})
