"""Users' Keras models in and out: any Keras file to a tf_keras model, and back to its own form.

`load` reads, `convert` translates, `verify` proves, `scan` inspects files before they are loaded,
`write` and `export` write.
"""

from tfprune.models.files.export import ExportReport, export_model
from tfprune.models.files.factories import from_applications, from_factory
from tfprune.models.files.load import load_model, load_with_origin
from tfprune.models.files.origin import Origin
from tfprune.models.files.write import to_keras3, write_back
from tfprune.models.fits import check_fits, output_kind

__all__ = [
    "ExportReport",
    "Origin",
    "check_fits",
    "export_model",
    "from_applications",
    "from_factory",
    "load_model",
    "load_with_origin",
    "output_kind",
    "to_keras3",
    "write_back",
]
