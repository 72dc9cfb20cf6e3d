"""The names of data sets, known without importing anything that reads them.

The list below is for showing and for hints; any other image-classification set of
tensorflow-datasets works by its name as well.
"""

from __future__ import annotations

from tfprune.registry import Registry

# Every target is a function with the signature of `tfprune.data.digits.load_digits`.
DATASETS = Registry("data set", group="tfprune.datasets")

DATASETS.add(
    "digits",
    "tfprune.data.digits:load_digits",
    "8x8 gray handwritten digits, 1,797 images, 10 classes (embedded)",
)

TFDS_LOADER = "tfprune.data.tfds:load_tfds"

for _name, _summary in {
    "mnist": "28x28 gray handwritten digits, 10 classes",
    "fashion_mnist": "28x28 gray clothes, 10 classes",
    "kmnist": "28x28 gray cursive Japanese characters, 10 classes",
    "emnist": "28x28 gray letters and digits, 62 classes (emnist/balanced: 47, ...)",
    "binary_alpha_digits": "20x16 binary letters and digits, 36 classes; train split only",
    "cifar10": "32x32 colour objects, 10 classes",
    "cifar100": "32x32 colour objects, 100 classes",
    "cifar10_1": "32x32 colour, a new test set for CIFAR-10; test split only",
    "svhn_cropped": "32x32 colour house numbers, 10 classes",
    "cmaterdb": "32x32 colour handwritten numerals, 10 classes",
    "imagenet_resized": "8x8 colour ImageNet, 1000 classes (or /16x16, /32x32, /64x64)",
    "eurosat": "64x64 colour satellite images, 10 classes; train split only",
    "stl10": "96x96 colour objects, 10 classes",
    "patch_camelyon": "96x96 colour tissue, 2 classes",
    "smallnorb": "96x96 gray toys, 5 classes",
    "colorectal_histology": "150x150 colour tissue, 8 classes; train split only",
    "resisc45": "256x256 colour aerial images, 45 classes; train split only",
    "deep_weeds": "256x256 colour weeds, 9 classes; train split only",
    "places365_small": "256x256 colour scenes, 365 classes",
    "horses_or_humans": "300x300 colour renderings, 2 classes",
    "rock_paper_scissors": "300x300 colour hands, 3 classes",
    "dmlab": "360x480 colour simulator frames, 6 classes",
    "beans": "500x500 colour leaves, 3 classes",
    "uc_merced": "colour aerial images of mixed sizes, 21 classes; train split only",
    "oxford_flowers102": "colour flowers of mixed sizes, 102 classes",
    "oxford_iiit_pet": "colour cats and dogs of mixed sizes, 37 breeds",
    "tf_flowers": "colour flowers of mixed sizes, 5 classes; train split only",
    "cats_vs_dogs": "colour cats and dogs of mixed sizes, 2 classes; train split only",
    "malaria": "colour cells of mixed sizes, 2 classes; train split only",
    "plant_village": "colour leaves of mixed sizes, 38 classes; train split only",
    "caltech101": "colour objects of mixed sizes, 102 classes",
    "food101": "colour dishes of mixed sizes, 101 classes; splits train, validation",
    "cars196": "colour cars of mixed sizes, 196 classes",
    "stanford_dogs": "colour dogs of mixed sizes, 120 breeds",
    "imagenette": "colour objects of mixed sizes, 10 classes; splits train, validation",
    "imagenet2012": "colour objects of mixed sizes, 1000 classes; splits train, validation",
}.items():
    DATASETS.add(_name, TFDS_LOADER, _summary)

# CIFAR-10's test split, corrupted by formulas of our own: further test sets without a download
for _name, _summary in {
    "cifar10-noise": "its test images with Gaussian noise",
    "cifar10-blur": "its test images blurred",
    "cifar10-contrast": "its test images with less contrast",
    "cifar10-brightness": "its test images brighter",
    "cifar10-jpeg": "its test images as JPEGs of low quality",
}.items():
    DATASETS.add(
        _name, "tfprune.data.corrupted:load_corrupted", f"32x32 colour, CIFAR-10, {_summary}"
    )
