"""A site's addresses, names and files."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from commonweal_local.exceptions import LocalError
from commonweal_local.management import layout
from commonweal_local.sites import ports
from commonweal_local.sites.components import command_lines
from commonweal_local.sites.site import HOST_ADDRESS, MOST_SITES, Mode, Site, all_sites, check_name, free_index, hosts_file
from commonweal_stacks.blueprint import current

PROGRAMS = {
    name: f"/programs/{name}"
    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kwok")
}


def site(index: int = 0, name: str = "north", mode: Mode = Mode.PODS, root: Path = Path("/work")) -> Site:
    return Site(name, index, mode, root, PROGRAMS)


def test_no_two_sites_share_an_address() -> None:
    sites = [site(index) for index in range(MOST_SITES[Mode.PODS])]
    single = [HOST_ADDRESS, *(one.address for one in sites), *(address for one in sites for address in one.balancer_pool)]
    assert len(single) == len(set(single))
    assert all(ipaddress.ip_address(address) in ipaddress.ip_network("10.210.0.0/24") for address in single)


def test_a_site_has_the_networks_that_it_was_made_with() -> None:
    made = replace(site(3), networks=asdict(current().network))
    assert made.network == current().network
    assert (made.node_pods, made.network.api, made.network.dns) == ("10.244.0.0/24", "10.96.0.1", "10.96.0.10")
    before = site(3)
    assert (before.network.pods, before.network.services) == ("10.223.0.0/16", "10.233.0.0/16"), "one from before they were the blueprint's"
    assert (before.node_pods, before.network.api, before.network.dns) == ("10.223.0.0/24", "10.233.0.1", "10.233.0.10")


def test_sites_on_loopback_share_no_port_and_have_none_that_the_kernel_gives_away_or_a_management_cluster_has() -> None:
    sites = [site(index, mode=Mode.CONTROL_PLANE) for index in range(MOST_SITES[Mode.CONTROL_PLANE])]
    found = [port for one in sites for port in ports.of(one)]
    assert len(found) == len(set(found))
    given_away, most = 32768, layout.FIRST_PORT
    assert max(found) < most < given_away


def test_a_revision_that_is_not_known_here_is_refused_with_the_remedy() -> None:
    with pytest.raises(LocalError, match=r"there is no blueprint 'r99'.*Use the release that made it"):
        assert replace(site(), blueprint="r99").settings
    assert site().settings is current()


def test_what_a_newer_program_wrote_is_left_out(tmp_path: Path) -> None:
    saved = site(root=tmp_path)
    saved.save()
    file = saved.directory / "site.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "tomorrow": 1}))
    assert Site.load(tmp_path, "north") == saved


@pytest.mark.parametrize("name", ["", "North", "9lives", "a-b", "abcdefghijkl", "../x", "a b"])
def test_a_name_that_cannot_be_a_link_a_host_and_a_directory_is_refused(name: str) -> None:
    with pytest.raises(LocalError, match="at most 11"):
        check_name(name)


def test_the_longest_name_still_fits_into_a_link_name() -> None:
    assert len(site(name=check_name("abcdefghijk")).link) < 16


def test_the_lowest_free_index_is_taken() -> None:
    assert free_index([0, 1, 3], 8) == 2


def test_when_no_index_is_free_it_says_how_to_free_one() -> None:
    with pytest.raises(LocalError, match="commonweal local down"):
        free_index(range(8), 8)


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
