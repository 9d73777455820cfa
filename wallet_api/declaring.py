"""What routes of this API say of themselves, with examples of its own."""

from __future__ import annotations

from edge.declaring import Declaring
from wallet_api.schemas.samples import example_of

DECLARING = Declaring(example_of=example_of)

reads = DECLARING.reads
lists = DECLARING.lists
downloads = DECLARING.downloads
texts = DECLARING.texts
writes = DECLARING.writes
steps = DECLARING.steps
makes = DECLARING.makes
submits = DECLARING.submits
body_of = DECLARING.body_of
