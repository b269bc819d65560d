"""What is told of a run that is over."""

from __future__ import annotations

import json
from typing import Optional

from ._document import Document


class Told:
    """The document that the native part makes of it."""

    def __init__(self, told: str) -> None:
        document = json.loads(told)
        #: What a terminal shows.
        self.text: str = document["text"]
        #: The keys of the command's ``--json``.
        self.report = Document(document["report"])
        self.trace_error: Optional[str] = document["trace_error"]
        #: The last one, where checkpoints were written.
        self.checkpoint: Optional[str] = document["checkpoint"]
        #: The code of a process that was interrupted as the run was.
        self.interrupted: Optional[int] = document["interrupted"]
