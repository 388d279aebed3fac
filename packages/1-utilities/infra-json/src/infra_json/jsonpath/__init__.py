"""JSONPath (RFC 9535): queries that are checked when made, and are never slow by their pattern."""

from infra_json.jsonpath.nodes import Node
from infra_json.jsonpath.query import JSONPath

__all__ = ["JSONPath", "Node"]
