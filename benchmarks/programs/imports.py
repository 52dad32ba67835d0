"""Import a library, and do nothing: ``imports.py MODULE``."""

import importlib
import json
import sys

module = importlib.import_module(sys.argv[1])
if sys.argv[1] == "pullback":
    module.fit  # noqa: B018 (its names are loaded at their first use)
print(json.dumps({"imported": 1}))
