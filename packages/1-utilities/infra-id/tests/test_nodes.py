"""Which node a process is, or an error that says how to tell it."""

from __future__ import annotations

import pytest

from infra_id import BadIdOption, NodeNotConfigured, node_from_env, node_from_hostname


def test_the_environment_tells_the_node():
    assert 12 == node_from_env(environ={"INFRA_NODE_ID": "12"})
    assert 3 == node_from_env("POD", bits=2, environ={"POD": "3"})


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "1024", "١", " 1"])
def test_a_variable_that_is_no_node_is_named(text: str):
    with pytest.raises(NodeNotConfigured, match="INFRA_NODE_ID"):
        node_from_env(environ={"INFRA_NODE_ID": text})


def test_a_missing_variable_is_named():
    with pytest.raises(NodeNotConfigured, match="INFRA_NODE_ID is not set"):
        node_from_env(environ={})


@pytest.mark.parametrize(
    ("host", "node"), [("web-3", 3), ("web-0.web.svc", 0), ("a-b-17", 17), ("db-007", 7)]
)
def test_the_ordinal_of_a_host_is_its_node(host: str, node: int):
    assert node == node_from_hostname(host)


@pytest.mark.parametrize("host", ["web", "web3", "", "web-", "3", "web-x", "web-1024"])
def test_a_host_without_ordinal_is_never_hashed(host: str):
    with pytest.raises(NodeNotConfigured):
        node_from_hostname(host)


def test_a_number_of_bits_that_is_none_is_refused():
    with pytest.raises(BadIdOption):
        node_from_hostname("web-1", bits=0)
