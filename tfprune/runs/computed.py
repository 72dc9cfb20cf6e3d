"""What an experiment is computed on, and in which precision: said wherever its results are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfprune.experiment.plan import Plan


def computed_on(plan: Plan) -> dict[str, str]:
    """Return device, driver, memory, precisions and compilation, by short names.

    As they are in the process that asks; TensorFlow must be running.
    """
    import tensorflow as tf

    from tfprune.runs.doctor import cards
    from tfprune.runs.workspace import processor
    from tfprune.similarity.measure import find_measure
    from tfprune.training.backend import compiles, gpu, moment_device, products_dtype

    training, comparison = plan.config.training, plan.config.comparison
    device, where = gpu(), moment_device(comparison.compare_on)
    facts = {"device": device.name if device else processor()}
    if device is not None:
        card = next((card for card in cards() if card.name == device.name), None)
        if card is not None:
            facts |= {"driver": card.driver, "gpu_memory": f"{card.memory} MiB"}
        tf32 = tf.config.experimental.tensor_float_32_execution_enabled()
        facts["tf32"] = "on in training, off in comparing" if tf32 else "off"
    products = "float64"
    if where is not None:
        takes = [find_measure(name).takes_float32 for name in comparison.measures]
        products = products_dtype(where, takes)
    return facts | {
        "trained_in": training.precision,
        "xla": "on" if compiles(training.xla, plan.total_steps) else "off",
        "compared_on": f"{'CPU' if where is None else 'GPU'}, products in {products}",
    }
