# the four networks of MLPerf Tiny (mlcommons/tiny), written in PyTorch with random weights: image classification, keywords, visual wake words, anomalies.
import torch
from torch import nn


def convolution(inputs, outputs, kernel, stride=1, groups=1):
    padding = tuple(k // 2 for k in kernel) if isinstance(kernel, tuple) else kernel // 2
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(convolution(inputs, outputs, 3, stride), nn.Conv2d(outputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs))
        self.side = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        return torch.relu(self.body(x) + self.side(x))


def resnet():
    """ResNet-8 on CIFAR-10."""
    return nn.Sequential(convolution(3, 16, 3), Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2), nn.AvgPool2d(8), nn.Flatten(), nn.Linear(64, 10), nn.Softmax(1))


def keywords():
    """DS-CNN on 49×10 features of speech."""
    separable = [convolution(64, 64, *shape) for _ in range(4) for shape in ((3, 1, 64), (1, 1, 1))]
    return nn.Sequential(convolution(1, 64, (10, 4), 2), nn.Dropout(0.2), *separable, nn.Dropout(0.4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 12), nn.Softmax(1))


def mobilenet():
    """MobileNetV1, a quarter as wide, on pictures of 96×96."""
    widths = [(8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2), *[(128, 128, 1)] * 5, (128, 256, 2), (256, 256, 1)]
    body = [layer for a, b, stride in widths for layer in (convolution(a, a, 3, stride, a), convolution(a, b, 1))]
    return nn.Sequential(convolution(3, 8, 3, 2), *body, nn.AvgPool2d(3), nn.Flatten(), nn.Linear(256, 2), nn.Softmax(1))


def autoencoder():
    """Nine dense layers on 640 features of a machine's sound."""
    widths = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128]
    body = [layer for a, b in zip(widths, widths[1:]) for layer in (nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU())]
    return nn.Sequential(*body, nn.Linear(128, 640))


def networks():
    """Name, network, input."""
    for name, make, shape in (("resnet-8", resnet, (3, 32, 32)), ("ds-cnn", keywords, (1, 49, 10)), ("mobilenet-v1", mobilenet, (3, 96, 96)), ("autoencoder", autoencoder, (640,))):
        network = make()
        for module in network.modules():  # statistics other than those of the start, so that folding them shows
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
        yield name, network, torch.randn(2, *shape)
