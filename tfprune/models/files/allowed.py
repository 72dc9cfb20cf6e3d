"""The names that a model file may hold, known not to run code; refusal of all others.

A class is on a list here when building and calling it only computes on tensors: it neither reads
files nor executes what the file says. A configuration is a tree of dictionaries with `class_name`,
`module` and `config`; Keras imports and calls what they name, so every name must be on a list
before a loader sees the file.
"""

from __future__ import annotations

import re
from typing import Any

from tfprune.errors import InputError
from tfprune.models.files import operations


def _words(text: str) -> list[str]:
    return text.split()


def _dimensions(stems: str, numbers: str = "123") -> set[str]:
    return {f"{stem}{n}D" for stem in stems.split() for n in numbers}


# Layers that both libraries have, and that convert in both directions.
CONVERTIBLE_LAYERS = frozenset(
    _dimensions("Conv AveragePooling MaxPooling GlobalAveragePooling GlobalMaxPooling")
    | _dimensions("SpatialDropout Cropping ZeroPadding UpSampling ConvLSTM")
    | {"Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"}
    | _dimensions("DepthwiseConv SeparableConv", "12")
    | {"InputLayer", "Dense", "EinsumDense", "Embedding", "Identity", "Activation"}
    | {"BatchNormalization", "LayerNormalization", "GroupNormalization"}
    | {"UnitNormalization", "SpectralNormalization", "Normalization", "Rescaling", "Resizing"}
    | {"ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax"}
    | {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"}
    | {"Flatten", "Reshape", "Permute", "RepeatVector", "Masking"}
    | {"Dropout", "GaussianDropout", "GaussianNoise", "AlphaDropout", "ActivityRegularization"}
    | {"CenterCrop", "RandomBrightness", "RandomContrast", "RandomFlip"}
    | {"RandomRotation", "RandomTranslation", "RandomZoom"}
    | {"Attention", "AdditiveAttention", "MultiHeadAttention"}
    | {"SimpleRNN", "LSTM", "GRU", "RNN", "SimpleRNNCell", "LSTMCell", "GRUCell"}
    | {"StackedRNNCells", "Bidirectional", "TimeDistributed"}
    | {"LayerScale", "CustomScaleLayer"}  # of keras.applications alone
)

# Layers of tf_keras that Keras 3 dropped: such a model can be pruned, but not exported to Keras 3.
KERAS2_ONLY_LAYERS = frozenset(
    {"LocallyConnected1D", "LocallyConnected2D", "ThresholdedReLU", "RandomHeight", "RandomWidth"}
)

# Layers that both have under one name, computing different things.
DIFFERENT_LAYERS = {
    "RandomCrop": "in inference Keras 3 and Keras 2 crop to different shapes",
}

_CODE = "it runs code from the file"
_TABLE = "it processes words or categories, not images, and may read a vocabulary file"
_NO_TWIN = "tf_keras has no such layer, so tensorflow-model-optimization can't prune around it"
_RUNS = "it calls a program outside the model"

# What Keras 3 writes of a layer whose weights `quantize()` has rounded.
QUANTIZATION = _words("""
    QuantizedDTypePolicy QuantizedFloat8DTypePolicy GPTQDTypePolicy AWQDTypePolicy
    Int8QuantizationConfig Int4QuantizationConfig Float8QuantizationConfig GPTQConfig AWQConfig
""")
QUANTIZED = "quantized weights can't be pruned: save the model before quantizing"

# Why a layer that exists in one of the libraries is not in the lists above.
REFUSED_LAYERS: dict[str, str] = {
    "Lambda": _CODE,
    "__lambda__": _CODE,
    "TFSMLayer": _RUNS,
    "TorchModuleWrapper": _RUNS,
    "JaxLayer": _RUNS,
    "FlaxLayer": _RUNS,
    **dict.fromkeys(
        _words("""
        StringLookup IntegerLookup TextVectorization Hashing HashedCrossing CategoryEncoding
        Discretization DenseFeatures
    """),
        _TABLE,
    ),
    **dict.fromkeys(
        _words("""
        AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D
        AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D AugMix AutoContrast
        ContrastLimitedAdaptiveHistogramEqualization CutMix Equalization GroupedQueryAttention
        MaxNumBoundingBoxes MelSpectrogram MixUp Pipeline RMSNormalization RandAugment
        RandomColorDegeneration RandomColorJitter RandomElasticTransform RandomErasing
        RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective
        RandomPosterization RandomSaturation RandomSharpness RandomShear ReversibleEmbedding
        STFTSpectrogram Solarization
    """),
        _NO_TWIN,
    ),
    **dict.fromkeys(QUANTIZATION, QUANTIZED),
    "PruneLowMagnitude": (
        "it is tfmot's pruning wrapper, not part of the network: "
        "save the model after tensorflow_model_optimization.sparsity.keras.strip_pruning"
    ),
}
# Refusals that trusting the file would not lift.
NOT_A_MATTER_OF_TRUST = frozenset(
    name for name, reason in REFUSED_LAYERS.items() if reason != _CODE
)

MODELS = frozenset({"Functional", "Sequential", "Model"})

INITIALIZERS = frozenset(
    _words("""
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer
    LecunNormal LecunUniform Ones Orthogonal OrthogonalInitializer RandomNormal RandomUniform
    TruncatedNormal VarianceScaling Zeros
""")
)
REGULARIZERS = frozenset(["L1", "L2", "L1L2", "OrthogonalRegularizer"])
CONSTRAINTS = frozenset(["MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "RadialConstraint"])
POLICIES = frozenset(["DTypePolicy", "FloatDTypePolicy", "Policy", "DTypePolicyMap"])

# A nested model may carry the settings with which it was compiled; the loader reads them.
TRAINING = frozenset(
    _words("""
    SGD RMSprop Adam AdamW Adadelta Adagrad Adamax Adafactor Nadam Ftrl Lion
    LossScaleOptimizer ExponentialDecay PiecewiseConstantDecay PolynomialDecay
    InverseTimeDecay CosineDecay CosineDecayRestarts BinaryCrossentropy
    CategoricalCrossentropy SparseCategoricalCrossentropy MeanSquaredError MeanAbsoluteError
    Huber LogCosh KLDivergence Poisson Hinge CategoricalFocalCrossentropy
    BinaryFocalCrossentropy Accuracy BinaryAccuracy CategoricalAccuracy
    SparseCategoricalAccuracy TopKCategoricalAccuracy SparseTopKCategoricalAccuracy AUC
    Precision Recall Mean
""")
)

# Plain values that the serialiser writes as little dictionaries.
VALUES = frozenset(
    _words("""
    __tuple__ __keras_tensor__ __tensor__ __numpy__ __ellipsis__ __slice__ __bytes__
    TensorShape
""")
)

# Activations by name. The value says whether Keras 2 has it under the same meaning.
ACTIVATIONS_BOTH = frozenset(
    _words("""
    elu exponential gelu linear mish relu selu sigmoid softmax softplus softsign tanh
""")
)
ACTIVATIONS_KERAS3 = frozenset(
    _words("""
    celu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu log_sigmoid
    log_softmax relu6 silu soft_shrink sparse_plus sparse_sigmoid squareplus swish tanh_shrink
""")
)
ACTIVATIONS = ACTIVATIONS_BOTH | ACTIVATIONS_KERAS3
# Functions of ours that stand in, in one library, for those that the other defines differently.
OUR_FUNCTIONS = frozenset(
    f"{name}_keras3" for name in ACTIVATIONS_KERAS3 - {"hard_swish", "silu", "swish"}
) | {"hard_sigmoid_keras2"}

# Keys whose string value makes a layer read a file while it is built.
FILE_KEYS = frozenset({"vocabulary", "file_path", "filepath", "filename", "weights_path"})


MAX_DEPTH = 200
MAX_NODES = 2_000_000
MAX_DIMENSION = 1 << 24
MAX_INTEGER = 1 << 32
# Numbers that count nothing: any size is harmless.
FREE_INTEGERS = frozenset({"seed", "shared_object_id"})

TRUST = (
    "If you trust the source of the file, trust=True (--trust-model on the command line) turns "
    "this check off: the file can then run any code with your permissions."
)
# Trust would not help: Keras would look in vain for the code.
_OTHERS = (
    "and of any other a file holds no more than the name. Give the function that builds the model, "
    "as package.module:function"
)

_MODULE = re.compile(
    r"(tf_keras|keras)(\.src)?"
    r"(\.(layers|models|engine|applications|initializers|regularizers|constraints|activations|ops|backend"
    r"|dtype_policies|mixed_precision|optimizers|losses|metrics)(\.[a-z0-9_]+)*)?"
)
_FUNCTION_MODULE = re.compile(r"builtins|(tf_)?keras(\.src)?\.activations(\.activations)?")
_OURS = "tfprune>"

_CLASSES = (
    CONVERTIBLE_LAYERS
    | KERAS2_ONLY_LAYERS
    | DIFFERENT_LAYERS.keys()
    | MODELS
    | INITIALIZERS
    | REGULARIZERS
    | CONSTRAINTS
    | POLICIES
    | TRAINING
    | VALUES
    | operations.KERAS3_NAMES
    | {"TFOpLambda", "SlicingOpLambda"}
)


def check_config(document: Any, *, file: str) -> None:
    """Raise InputError if a configuration names anything but known layers and arithmetic.

    The message names the file, the place in the configuration and, where trusting the file
    would help, says what that allows.
    """
    if not isinstance(document, dict) or "class_name" not in document:
        raise InputError(f"model file {file!r}: its configuration describes no model.")
    # The settings of compile() are never read: every loader is called with compile=False.
    document = {k: v for k, v in document.items() if k != "compile_config"}
    pending: list[tuple[Any, str, int]] = [(document, "", 0)]
    visited = 0
    while pending:
        value, place, depth = pending.pop()
        visited += 1
        if depth > MAX_DEPTH or visited > MAX_NODES:
            raise InputError(
                f"model file {file!r}: its configuration is nested more than {MAX_DEPTH} deep or "
                f"has more than {MAX_NODES:,} entries; no real network is. Refused."
            )
        if isinstance(value, dict):
            _check_object(value, place, file)
            pending += [(v, f"{place}.{k}", depth + 1) for k, v in value.items()]
        elif isinstance(value, list):
            pending += [(v, place, depth + 1) for v in value]
        elif isinstance(value, int | float) and not isinstance(value, bool):
            _check_number(value, place, file)


def _refuse(file: str, place: str, what: str, *, trust: bool = True) -> InputError:
    where = f" at {place[-160:].lstrip('.')}" if place else ""
    return InputError(f"model file {file!r}{where}: {what}." + (f" {TRUST}" if trust else ""))


def _check_number(value: float, place: str, file: str) -> None:
    key = place.rpartition(".")[2]
    shape = "shape" in key
    limit = MAX_DIMENSION if shape else MAX_INTEGER
    if key not in FREE_INTEGERS and isinstance(value, int) and abs(value) > limit:
        raise _refuse(
            file, place, f"{value:.3g} is an impossible size (limit {limit:,})", trust=False
        )


def _check_object(value: dict[str, Any], place: str, file: str) -> None:
    for key in FILE_KEYS & value.keys():
        if isinstance(value[key], str):
            raise _refuse(file, place, f"{key}={value[key]!r} would make the loader read that file")
    name = value.get("class_name")
    if name is None:
        return
    if name == "function":
        _check_function(value, place, file)
        return
    if not isinstance(name, str):
        raise _refuse(file, place, f"class_name is {name!r}, not a name", trust=False)
    if name in REFUSED_LAYERS:
        reason = REFUSED_LAYERS[name]
        lift = name not in NOT_A_MATTER_OF_TRUST
        kind = "" if name in QUANTIZATION else "layer "
        raise _refuse(file, place, f"{kind}{_called(value)} is refused: {reason}", trust=lift)
    module = value.get("module")
    of_keras = isinstance(module, str) and _MODULE.fullmatch(module) is not None
    if name not in _CLASSES and of_keras:
        raise _refuse(
            file, place, f"{name!r} is not a layer or function of Keras that is known to be safe"
        )
    if name not in _CLASSES:
        raise _refuse(file, place, f"{name!r} is not a class of Keras, {_OTHERS}", trust=False)
    at_home = of_keras or module is None or (name in VALUES and module == "builtins")
    if not at_home:
        what = f"{name!r} is to be imported from module {module!r}, not from Keras"
        raise _refuse(file, place, f"{what}, {_OTHERS}", trust=False)
    registered = value.get("registered_name")
    if registered is not None and registered not in (name, f"keras>{name}"):
        what = f"{name!r} stands for the registered object {registered!r}, not for a class of Keras"
        raise _refuse(file, place, f"{what}, {_OTHERS}", trust=False)
    if name in ("TFOpLambda", "SlicingOpLambda"):
        _check_tensorflow_op(value, place, file)


def _called(value: dict[str, Any]) -> str:
    config = value.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    return f"{value['class_name']} {name!r}" if isinstance(name, str) else str(value["class_name"])


def _check_function(value: dict[str, Any], place: str, file: str) -> None:
    name, module = value.get("config"), value.get("module", "builtins")
    known = isinstance(name, str) and (
        name in ACTIVATIONS or name.removeprefix(_OURS) in OUR_FUNCTIONS
    )
    if not known or not (isinstance(module, str) and _FUNCTION_MODULE.fullmatch(module)):
        what = f"function {name!r} of module {module!r} is not an activation of Keras, {_OTHERS}"
        raise _refuse(file, place, what, trust=False)


def _check_tensorflow_op(value: dict[str, Any], place: str, file: str) -> None:
    config = value.get("config")
    symbol = config.get("function") if isinstance(config, dict) else None
    if not isinstance(symbol, str) or operations.plain(symbol) not in operations.TENSORFLOW_NAMES:
        raise _refuse(
            file, place, f"the TensorFlow operation {symbol!r} is not on the list of arithmetic"
        )
