"""The names that a model file may hold: layers, functions and operations known not to run code.

Everything else is refused before a loader sees the file. A class belongs here when building
and calling it only computes on tensors: it neither reads files nor executes what the file says.
"""

from __future__ import annotations


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
)

# Layers of tf_keras that Keras 3 dropped: such a model can be pruned, but not exported to Keras 3.
KERAS2_ONLY_LAYERS = frozenset(
    {"LocallyConnected1D", "LocallyConnected2D", "ThresholdedReLU", "RandomHeight", "RandomWidth"}
)

# Layers that both have under one name, computing different things.
DIFFERENT_LAYERS = {
    "RandomCrop": "in inference Keras 3 and Keras 2 crop to different shapes",
}

_CODE = "it runs code that the file brings along"
_TABLE = "it works on words or categories, not on images, and may read a vocabulary file"
_NO_TWIN = "tf_keras has no such layer, so tensorflow-model-optimization can't prune around it"
_RUNS = "it calls a program outside the model"

# Why a layer that exists in one of the libraries is not in the lists above.
REFUSED_LAYERS: dict[str, str] = {
    "Lambda": _CODE,
    "__lambda__": _CODE,
    "TFSMLayer": _RUNS,
    "TorchModuleWrapper": _RUNS,
    "JaxLayer": _RUNS,
    "FlaxLayer": _RUNS,
    **dict.fromkeys(
        [
            "StringLookup",
            "IntegerLookup",
            "TextVectorization",
            "Hashing",
            "HashedCrossing",
            "CategoryEncoding",
            "Discretization",
            "DenseFeatures",
        ],
        _TABLE,
    ),
    **dict.fromkeys(
        [
            "AdaptiveAveragePooling1D",
            "AdaptiveAveragePooling2D",
            "AdaptiveAveragePooling3D",
            "AdaptiveMaxPooling1D",
            "AdaptiveMaxPooling2D",
            "AdaptiveMaxPooling3D",
            "AugMix",
            "AutoContrast",
            "ContrastLimitedAdaptiveHistogramEqualization",
            "CutMix",
            "Equalization",
            "GroupedQueryAttention",
            "MaxNumBoundingBoxes",
            "MelSpectrogram",
            "MixUp",
            "Pipeline",
            "RMSNormalization",
            "RandAugment",
            "RandomColorDegeneration",
            "RandomColorJitter",
            "RandomElasticTransform",
            "RandomErasing",
            "RandomGaussianBlur",
            "RandomGrayscale",
            "RandomHue",
            "RandomInvert",
            "RandomPerspective",
            "RandomPosterization",
            "RandomSaturation",
            "RandomSharpness",
            "RandomShear",
            "ReversibleEmbedding",
            "STFTSpectrogram",
            "Solarization",
        ],
        _NO_TWIN,
    ),
    "QuantizedDTypePolicy": "quantized weights can't be pruned: save the model before quantizing",
    "PruneLowMagnitude": (
        "it is tfmot's pruning wrapper, not part of the network: "
        "save the model after tensorflow_model_optimization.sparsity.keras.strip_pruning"
    ),
}
# Refusals that trusting the file would not lift.
NOT_A_MATTER_OF_TRUST = frozenset(
    name for name, reason in REFUSED_LAYERS.items() if reason not in (_CODE, _RUNS)
)

MODELS = frozenset({"Functional", "Sequential", "Model"})

INITIALIZERS = frozenset(
    [
        "Constant",
        "GlorotNormal",
        "GlorotUniform",
        "HeNormal",
        "HeUniform",
        "Identity",
        "IdentityInitializer",
        "LecunNormal",
        "LecunUniform",
        "Ones",
        "Orthogonal",
        "OrthogonalInitializer",
        "RandomNormal",
        "RandomUniform",
        "TruncatedNormal",
        "VarianceScaling",
        "Zeros",
    ]
)
REGULARIZERS = frozenset(["L1", "L2", "L1L2", "OrthogonalRegularizer"])
CONSTRAINTS = frozenset(["MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "RadialConstraint"])
POLICIES = frozenset(["DTypePolicy", "FloatDTypePolicy", "Policy", "DTypePolicyMap"])

# A nested model may carry the settings with which it was compiled; the loader reads them.
TRAINING = frozenset(
    [
        "SGD",
        "RMSprop",
        "Adam",
        "AdamW",
        "Adadelta",
        "Adagrad",
        "Adamax",
        "Adafactor",
        "Nadam",
        "Ftrl",
        "Lion",
        "LossScaleOptimizer",
        "ExponentialDecay",
        "PiecewiseConstantDecay",
        "PolynomialDecay",
        "InverseTimeDecay",
        "CosineDecay",
        "CosineDecayRestarts",
        "BinaryCrossentropy",
        "CategoricalCrossentropy",
        "SparseCategoricalCrossentropy",
        "MeanSquaredError",
        "MeanAbsoluteError",
        "Huber",
        "LogCosh",
        "KLDivergence",
        "Poisson",
        "Hinge",
        "CategoricalFocalCrossentropy",
        "BinaryFocalCrossentropy",
        "Accuracy",
        "BinaryAccuracy",
        "CategoricalAccuracy",
        "SparseCategoricalAccuracy",
        "TopKCategoricalAccuracy",
        "SparseTopKCategoricalAccuracy",
        "AUC",
        "Precision",
        "Recall",
        "Mean",
    ]
)

# Plain values that the serialiser writes as little dictionaries.
VALUES = frozenset(
    [
        "__tuple__",
        "__keras_tensor__",
        "__tensor__",
        "__numpy__",
        "__ellipsis__",
        "__slice__",
        "__bytes__",
        "TensorShape",
    ]
)

# Activations by name. The value says whether Keras 2 has it under the same meaning.
ACTIVATIONS_BOTH = frozenset(
    [
        "elu",
        "exponential",
        "gelu",
        "linear",
        "mish",
        "relu",
        "selu",
        "sigmoid",
        "softmax",
        "softplus",
        "softsign",
        "tanh",
    ]
)
ACTIVATIONS_KERAS3 = frozenset(
    [
        "celu",
        "hard_shrink",
        "hard_sigmoid",
        "hard_silu",
        "hard_swish",
        "hard_tanh",
        "leaky_relu",
        "log_sigmoid",
        "log_softmax",
        "relu6",
        "silu",
        "soft_shrink",
        "sparse_plus",
        "squareplus",
        "swish",
        "tanh_shrink",
    ]
)
ACTIVATIONS = ACTIVATIONS_BOTH | ACTIVATIONS_KERAS3

# Keys whose string value makes a layer read a file while it is built.
FILE_KEYS = frozenset({"vocabulary", "file_path", "filepath", "filename", "weights_path"})
