"""The papers behind what a configuration asks of pruning, beside the strategy's own."""

from __future__ import annotations

#: what a control was first asked with
CONTROL_PAPERS = {
    "random-mask": "Frankle, Dziugaite, Roy, Carbin (2021). Pruning Neural Networks at "
    "Initialization: Why Are We Missing the Mark? ICLR.",
    "shuffled-mask": "Frankle, Dziugaite, Roy, Carbin (2021). Pruning Neural Networks at "
    "Initialization: Why Are We Missing the Mark? ICLR.",
    "reinitialised": "Frankle, Carbin (2019). The Lottery Ticket Hypothesis: Finding Sparse, "
    "Trainable Neural Networks. ICLR.",
    "sparse-scratch": "Su et al. (2020). Sanity-Checking Pruning Methods: Random Tickets Can Win "
    "the Jackpot. NeurIPS.",
    "same-init": "Frankle, Dziugaite, Roy, Carbin (2020). Linear Mode Connectivity and the "
    "Lottery Ticket Hypothesis. ICML.",
}
ADMM_PAPER = (
    "Zhang et al. (2018). A Systematic DNN Weight Pruning Framework Using Alternating Direction "
    "Method of Multipliers. ECCV."
)
BARRIER_PAPER = CONTROL_PAPERS["same-init"]
_TO_START = (
    "Frankle, Carbin (2019). The Lottery Ticket Hypothesis: Finding Sparse, Trainable Neural "
    "Networks. ICLR."
)
_TO_STEP = (
    "Frankle, Dziugaite, Roy, Carbin (2020). Linear Mode Connectivity and the Lottery Ticket "
    "Hypothesis. ICML."
)
_RATE = (
    "Renda, Frankle, Carbin (2020). Comparing Rewinding and Fine-tuning in Neural Network "
    "Pruning. ICLR."
)
_FINE_TUNING = (
    "Han, Pool, Tran, Dally (2015). Learning both Weights and Connections for Efficient Neural "
    "Networks. NeurIPS."
)


def rewinding_paper(rewind_to: str, rewind: str) -> tuple[str, str]:
    """Return what is done after pruning, in words, and the paper that does so."""
    if rewind_to == "final":
        return "fine-tuning", _FINE_TUNING
    if rewind == "learning-rate":
        return "rewinding of the learning rate", _RATE
    if rewind_to == "init":
        return "rewinding to the start", _TO_START
    return "rewinding to an early step", _TO_STEP
