"""Reduce the official OpenAPI document to the facts that the sandbox enforces.

    python tests/data/reduce_openapi.py DOCUMENT.yml > pipeline/sandbox/openapi.json

Kept: the operations of KEPT with their parameters, bodies, answers, and the schemas that they
reach. Dropped: prose, examples and titles. Nothing is mended and nothing is added: what the
document does not say stands in `pipeline/sandbox/document.py`. Needs PyYAML, which nothing else
here does.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

KEPT = frozenset(
    {
        "createCouponReservation",
        "createReferral",
        "createReferralsForMultipleAdvocates",
        "deleteCouponReservation",
        "deleteCustomerData",
        "getCustomerInventory",
        "getCustomerSession",
        "getReservedCustomers",
        "syncCatalog",
        "trackEventV2",
        "trackEventV3",
        "updateCustomerProfileAudiences",
        "updateCustomerProfileV2",
        "updateCustomerProfilesV2",
        "updateCustomerSessionV2",
    }
)
PROSE = frozenset({"description", "example", "examples", "summary", "tags", "title"})
NAMED = frozenset({"properties", "schemas", "responses"})  # their keys are names, never prose


def without_prose(node: Any, *, keys_are_names: bool = False) -> Any:
    """Return *node* without its prose; a property that is called `title` stays."""
    if isinstance(node, list):
        return [without_prose(value) for value in node]
    if not isinstance(node, dict):
        return node
    return {
        key: without_prose(value, keys_are_names=key in NAMED and not keys_are_names)
        for key, value in node.items()
        if keys_are_names or key not in PROSE
    }


def references(node: Any) -> set[str]:
    """Return every `$ref` below *node*."""
    if isinstance(node, list):
        return set().union(*map(references, node)) if node else set()
    if not isinstance(node, dict):
        return set()
    found = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
    return found.union(*map(references, node.values())) if node else found


def reduced(document: dict[str, Any]) -> dict[str, Any]:
    """Return the part of *document* that KEPT names, with all that it reaches."""
    paths = {
        path: kept
        for path, methods in document["paths"].items()
        if (
            kept := {
                method: without_prose(operation)
                for method, operation in methods.items()
                if isinstance(operation, dict) and operation.get("operationId") in KEPT
            }
        )
    }
    components: dict[str, dict[str, Any]] = {}
    waiting, done = references(paths), set()
    while waiting := waiting - done:
        reference = min(waiting)
        done.add(reference)
        section, name = reference.removeprefix("#/components/").split("/")
        part = without_prose(document["components"][section][name])
        components.setdefault(section, {})[name] = part
        waiting |= references(part)
    components["securitySchemes"] = without_prose(document["components"]["securitySchemes"])
    return {
        "openapi": document["openapi"],
        "info": {"title": document["info"]["title"], "version": "reduced"},
        "security": document["security"],
        "paths": paths,
        "components": components,
    }


if __name__ == "__main__":
    with Path(sys.argv[1]).open(encoding="utf-8") as stream:
        whole = yaml.load(stream, yaml.CSafeLoader)
    json.dump(reduced(whole), sys.stdout, indent=1, sort_keys=True, ensure_ascii=False)
    sys.stdout.write("\n")
