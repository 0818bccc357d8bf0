"""What schemathesis is told beyond the document: which names there are, and what NDJSON is."""

import json
import random

import schemathesis

CONTESTS = ["draft", "open", "hidden", "over"]


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Half of the paths are of contests that exist, so that more than 404 is seen."""
    if path_parameters and "contest" in path_parameters:
        # From the name itself, so that the same seed asks the same.
        draw = random.Random(repr(path_parameters))
        if draw.random() < 0.6:
            return {**path_parameters, "contest": draw.choice(CONTESTS)}
    return path_parameters


@schemathesis.serializer("application/x-ndjson")
def ndjson(context, value):
    """A text as it is; anything else as one line."""
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()
