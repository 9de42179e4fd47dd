"""A site's addresses, names and files."""

from __future__ import annotations

import ipaddress
from dataclasses import astuple
from pathlib import Path

import pytest

from commonweal_local.failure import LocalError
from commonweal_local.sites.components import command_lines
from commonweal_local.sites.site import HOST_ADDRESS, MOST_SITES, Mode, Site, all_sites, check_name, free_index, hosts_file

PROGRAMS = {
    name: f"/programs/{name}"
    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kwok")
}


def site(index: int = 0, name: str = "north", mode: Mode = Mode.PODS, root: Path = Path("/work")) -> Site:
    return Site(name, index, mode, root, PROGRAMS)


def test_no_two_sites_share_an_address() -> None:
    sites = [site(index) for index in range(MOST_SITES)]
    single = [HOST_ADDRESS, *(one.address for one in sites), *(address for one in sites for address in one.balancer_pool)]
    assert len(single) == len(set(single))
    assert all(ipaddress.ip_address(address) in ipaddress.ip_network("10.210.0.0/24") for address in single)


def test_no_two_networks_of_pods_or_services_overlap() -> None:
    networks = [ipaddress.ip_network(net) for index in range(MOST_SITES) for net in (site(index).pods, site(index).services)]
    assert len(networks) == 2 * MOST_SITES
    assert not any(one.overlaps(other) for place, one in enumerate(networks) for other in networks[place + 1 :])


def test_the_services_that_every_site_needs_lie_in_its_own_service_network() -> None:
    one = site(3)
    network = ipaddress.ip_network(one.services)
    assert ipaddress.ip_address(one.api_service) in network
    assert ipaddress.ip_address(one.dns_service) in network


def test_sites_on_loopback_share_no_port() -> None:
    ports = [port for index in range(MOST_SITES) for port in astuple(site(index, mode=Mode.CONTROL_PLANE).ports)]
    assert len(ports) == len(set(ports))


@pytest.mark.parametrize("name", ["", "North", "9lives", "a-b", "abcdefghijkl", "../x", "a b"])
def test_a_name_that_cannot_be_a_link_a_host_and_a_directory_is_refused(name: str) -> None:
    with pytest.raises(LocalError, match="at most 11"):
        check_name(name)


def test_the_longest_name_still_fits_into_a_link_name() -> None:
    assert len(site(name=check_name("abcdefghijk")).link) < 16


def test_the_lowest_free_index_is_taken() -> None:
    assert free_index([0, 1, 3]) == 2


def test_when_no_index_is_free_it_says_how_to_free_one() -> None:
    with pytest.raises(LocalError, match="commonweal local down"):
        free_index(range(MOST_SITES))


def test_a_saved_site_is_read_back_equal(tmp_path: Path) -> None:
    saved = Site("north", 2, Mode.CONTROL_PLANE, tmp_path, PROGRAMS, ("/images/a.tar",))
    saved.save()
    assert Site.load(tmp_path, "north") == saved
    assert all_sites(tmp_path) == [saved]


def test_an_unknown_site_names_the_known_ones_and_the_remedy(tmp_path: Path) -> None:
    site(root=tmp_path).save()
    with pytest.raises(LocalError, match=r"'south' \(sites: north\).*commonweal local up south"):
        Site.load(tmp_path, "south")


def test_sites_with_pods_are_in_the_hosts_file_and_others_are_not() -> None:
    text = hosts_file([site(0, "north"), site(1, "south"), site(2, "hill", Mode.CONTROL_PLANE)])
    assert text == "10.210.0.11 north.sites.internal\n10.210.0.12 south.sites.internal\n10.210.0.250 heritage.sites.internal\n"


def test_a_site_with_pods_runs_a_node_and_one_without_simulates_it() -> None:
    with_pods, without = command_lines(site()), command_lines(site(mode=Mode.CONTROL_PLANE))
    assert {"containerd", "kubelet", "kube-proxy"} <= set(with_pods)
    assert "kwok" not in with_pods
    assert "kwok" in without
    assert not {"containerd", "kubelet", "kube-proxy"} & set(without)


def test_tokens_are_issued_under_the_name_that_consumers_are_told() -> None:
    assert "--service-account-issuer=https://kubernetes.default.svc.cluster.local" in command_lines(site())["kube-apiserver"]
