"""Source columns → the fields of the API, each typed: a block in, a frame of fields out."""

from pipeline.stages.mapping.compile import compile_mapping
from pipeline.stages.mapping.mapping import Mapped, Mapping, Target, apply, constants, key_of

__all__ = ["Mapped", "Mapping", "Target", "apply", "compile_mapping", "constants", "key_of"]
