"""What the programs of a site of this machine have for themselves, over what the blueprint and kubeadm give every site's. Pure data.

A flag or a field that is not named here has the value that it has on a site of any cloud; a test holds the local sites to that.
"""

from __future__ import annotations

from commonweal_stacks.clusters.contract import Difference

SERVER, CONTROLLERS, SCHEDULER, KUBELET = "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"
SETTINGS, ENCRYPTION = "KubeletConfiguration", "EncryptionConfiguration"

_PLACE = "several sites share one machine, so each has its files in a directory of its own"
_KEYS = "certificates and keys are the site's own, and lie in its directory"
_ADDRESS = "several sites share one machine, so each has an address or ports of its own"
_ONE = "there is one of each, so none waits for a lease"
_NODE = "the node is a process of this machine: its name, address and control group are the site's"
_MACHINE = "the machine is shared: what belongs to the whole of it is left alone, and the pods' part is what the site's size says"
_KUBECONFIGS = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")


def _each(program: str, why: str, *settings: str) -> tuple[Difference, ...]:
    return tuple(Difference(program, setting, why) for setting in settings)


PROGRAMS: tuple[Difference, ...] = (
    *_each(SERVER, _PLACE, "admission-control-config-file", "audit-log-path", "audit-policy-file", "encryption-provider-config"),
    *_each(SERVER, _ADDRESS, "advertise-address", "bind-address", "secure-port", "etcd-servers"),
    *_each(SERVER, _KEYS, "client-ca-file", "etcd-cafile", "etcd-certfile", "etcd-keyfile", "tls-cert-file", "tls-private-key-file"),
    *_each(SERVER, _KEYS, "service-account-key-file", "service-account-signing-key-file", "requestheader-client-ca-file"),
    *_each(SERVER, _KEYS, "kubelet-client-certificate", "kubelet-client-key", "proxy-client-cert-file", "proxy-client-key-file"),
    Difference(SERVER, "kubelet-certificate-authority", "its kubelets' certificates are of the site's own authority, so they are checked"),
    Difference(SERVER, "endpoint-reconciler-type", "without pods the API server is not asked by its Service"),
    *_each(CONTROLLERS, _KEYS, *_KUBECONFIGS, "root-ca-file", "requestheader-client-ca-file", "service-account-private-key-file"),
    *_each(CONTROLLERS, _KEYS, "cluster-signing-cert-file", "cluster-signing-key-file"),
    *_each(SCHEDULER, _KEYS, *_KUBECONFIGS),
    *(Difference(program, "secure-port", _ADDRESS) for program in (CONTROLLERS, SCHEDULER)),
    *(Difference(program, "leader-elect", _ONE) for program in (CONTROLLERS, SCHEDULER)),
    *_each(KUBELET, _NODE, "config", "kubeconfig", "hostname-override", "node-ip", "cgroup-root", "node-labels"),
    *_each(SETTINGS, _KEYS, "authentication.x509", "tlsCertFile", "tlsPrivateKeyFile"),
    *_each(SETTINGS, _NODE, "cgroupDriver", "containerRuntimeEndpoint", "resolvConf"),
    *_each(SETTINGS, _MACHINE, "failSwapOn", "failCgroupV1", "oomScoreAdj", "makeIPTablesUtilChains", "systemReserved"),
    *_each(SETTINGS, _MACHINE, "enforceNodeAllocatable", "evictionHard"),
    *_each(SETTINGS, "its images are imported and cannot be pulled again", "imageGCHighThresholdPercent", "imageGCLowThresholdPercent"),
    *_each(SETTINGS, "no pod is placed on a new node before its images, volumes and policies are there", "registerWithTaints"),
    *_each(SETTINGS, "a site that was started is seen to be ready sooner", "nodeStatusUpdateFrequency", "fileCheckFrequency"),
    *_each(SETTINGS, "few pods run there, and a Secret that changed is in them sooner", "syncFrequency"),
    Difference(
        ENCRYPTION, "providers", "keys have names of their own and are exchanged; clear text is read only until everything is sealed"
    ),
    Difference("etcd", "*", "the blueprint says nothing of it. One member, which does not wait for the disk: for no real data"),
    Difference("containerd", "*", "the blueprint says nothing of it: it comes with the image that machines start from"),
    Difference("kube-proxy", "*", "the blueprint says nothing of it: kubeadm sets it up"),
)
"""`kind` is the program or its file, `path` the flag or the field; `*` is all of them."""
