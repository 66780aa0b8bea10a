"""What the tests of policies share."""

import pytest
from base_policy import BASE

from trustd.policy import load_policy


@pytest.fixture
def policy_of():
    """Compile the base policy with more at its end, and texts in it replaced."""

    def make(more="", replaced=()):
        text = BASE
        for old, new in dict(replaced).items():
            assert old in text
            text = text.replace(old, new, 1)
        return load_policy(text + more, "base.yaml")

    return make
