"""The names of the built-in models, known without importing TensorFlow."""

from __future__ import annotations

from tfprune.registry import Registry

# Every target is a function (input_shape, n_classes, *, seed) -> tf_keras.Model that returns a
# functional model with logits; other packages add theirs through the entry point group.
MODELS = Registry("model", group="tfprune.models")

for _name, _summary in (
    ("digits-cnn", "2 conv (16, 24), dense 24; small enough for CCA on digits"),
    ("lenet300", "LeNet-300-100: dense 300, 100; 266K weights on MNIST"),
    ("lenet5", "LeNet-5 (Caffe): conv 20, 50, dense 500; 431K weights on MNIST"),
    ("conv2", "Conv-2: conv 64, 64, dense 256, 256; 4.3M weights on CIFAR-10"),
    ("conv4", "Conv-4: conv 64, 64, 128, 128, dense 256, 256; 2.4M weights"),
    ("conv6", "Conv-6: conv up to 256, 256, dense 256, 256; 2.3M weights"),
    ("nin", "Network in network: no dense layer, mean over the pixels; 966K weights"),
    ("vgg11", "VGG-11 for small images, batch norm; 9.2M weights"),
    ("vgg16", "VGG-16 for small images, batch norm; 14.7M weights"),
    ("vgg19", "VGG-19 for small images, batch norm; 20.0M weights"),
    ("resnet20", "ResNet-20 for CIFAR (16, 32, 64); 271K weights"),
    ("resnet32", "ResNet-32 for CIFAR (16, 32, 64); 464K weights"),
    ("resnet56", "ResNet-56 for CIFAR (16, 32, 64); 852K weights"),
):
    MODELS.add(_name, f"tfprune.models.builtin:{_name.replace('-', '_')}", _summary)
