# DALI makes its operators at run time, so its own stubs miss most names.
from typing import Any

def __getattr__(name: str) -> Any: ...
