"""Settings of the sandbox."""

from dataclasses import dataclass
from typing import Annotated

from app.settings.about import about


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """The sandbox only; production refuses to start with any of them."""

    sandbox_url: Annotated[str, about("Origin of the outside world in a box.", sandbox=True)] = ""
    clock_file: Annotated[str, about("File with the virtual clock's offset in seconds.", sandbox=True)] = ""
    seed_merchant: Annotated[
        str,
        about("JSON of a merchant that `settle migrate` inserts, percent-encoded or not.", secret=True, sandbox=True),
    ] = ""
