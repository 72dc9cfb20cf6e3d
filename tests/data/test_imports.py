"""Names of data sets and models are known without the libraries behind them."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["tfprune.data", "tfprune.models"])
def test_importing_the_package_and_listing_its_names_imports_nothing_heavy(package):
    code = (
        f"import sys, {package} as p\n"
        "names = getattr(p, 'DATASETS', None) or p.MODELS\n"
        "assert names.names()\n"
        "heavy = {'numpy', 'tensorflow', 'tf_keras', 'tensorflow_datasets', 'sklearn'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_can_be_had_from_the_package():
    import tfprune.data

    for name in tfprune.data.__all__:
        assert getattr(tfprune.data, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'load_datset'"):
        _ = tfprune.data.load_datset
