"""What `import tfprune` offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tfprune


def test_import_tfprune_imports_nothing_heavy():
    code = (
        "import sys, tfprune; tfprune.config.RunConfig(); "
        "print(sorted({'numpy', 'tensorflow', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_bears_its_name():
    for name in tfprune.__all__:
        found = getattr(tfprune, name)
        if callable(found):
            assert found.__name__ == name
            assert found.__module__.startswith("tfprune.")
    assert set(dir(tfprune)) == set(tfprune.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'tfprune' has no attribute 'runn'"):
        tfprune.runn  # noqa: B018


def test_the_short_names_are_the_functions_of_the_rooms():
    from tfprune.models.files import load_model
    from tfprune.runs.run import run

    assert tfprune.run is run
    assert tfprune.load_model is load_model
    assert tfprune.similarity.linear_cka([[1.0], [2.0], [4.0]], [[2.0], [4.0], [8.0]]) == 1.0
