# The functions are those of `reference`, which describes them.
from typing import Any

SOURCES: int

def __getattr__(name: str) -> Any: ...
