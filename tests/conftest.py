"""How hard the tests search: quickly each time, long where TESTBEAM_SOAK asks for it."""

import os

from hypothesis import settings

settings.register_profile("quick", max_examples=40, deadline=None)
settings.register_profile("soak", max_examples=1_000, deadline=None)
settings.load_profile("soak" if os.environ.get("TESTBEAM_SOAK") else "quick")
