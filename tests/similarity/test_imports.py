"""What importing costs: nothing heavy for the core, nothing at all for the names."""

import subprocess
import sys

import pytest


def loaded_by(code):
    script = f"import sys\n{code}\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in run.stdout.split()}


def test_the_engine_imports_neither_tensorflow_nor_mlflow():
    code = (
        "import importlib, pkgutil, tfprune.similarity as package\n"
        "for m in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "    importlib.import_module(m.name)"
    )
    modules = loaded_by(code)
    assert "numpy" in modules
    assert not {"tensorflow", "tf_keras", "keras", "mlflow", "matplotlib", "sklearn"} & modules


def test_the_names_of_the_measures_cost_no_numpy():
    code = "from tfprune.similarity.measure import MEASURES\nassert 'cka' in MEASURES.names()"
    assert not {"numpy", "scipy"} & loaded_by(code)


def test_the_package_offers_what_it_lists_and_refuses_the_rest():
    import tfprune.similarity as package

    for name in package.__all__:
        assert getattr(package, name) is not None
    assert dir(package) == sorted(package.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'mean_ccaa'"):
        package.mean_ccaa  # noqa: B018
