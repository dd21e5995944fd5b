"""The operations of the API as data: what every stage reads instead of asking which one it is."""

from pipeline.operations.catalogue import OPERATIONS, find, names
from pipeline.operations.operation import (
    AnswerField,
    AnswerShape,
    Conflict,
    Evidence,
    Field,
    Kind,
    Missing,
    Operation,
    Place,
    Repeat,
    Shape,
)

__all__ = [
    "OPERATIONS",
    "AnswerField",
    "AnswerShape",
    "Conflict",
    "Evidence",
    "Field",
    "Kind",
    "Missing",
    "Operation",
    "Place",
    "Repeat",
    "Shape",
    "find",
    "names",
]
