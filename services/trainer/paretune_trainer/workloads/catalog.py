"""What each built-in workload understands and reports. Imports no framework."""

from __future__ import annotations

from math import log
from typing import Final

from paretune_trainer.workload import MetricSpec, ParameterSpec, SettingSpec, Workload

_ACCURACY: Final = MetricSpec(
    "accuracy", "maximize", "Share of the validation set classified correctly; binomial standard error."
)
_DEVICE: Final = SettingSpec("device", "auto", "auto (a GPU when there is one), cpu, cuda or cuda:N.")
_THREADS: Final = SettingSpec("threads", "1", "CPU threads of one trial.")

DIGITS: Final = Workload(
    name="digits",
    summary="A small convolutional network on 8x8 handwritten digits; about a second per trial on a CPU.",
    entry_point="paretune_trainer.workloads.digits:digits",
    parameters=(
        ParameterSpec("conv_1_filters", "int", "Channels of the first convolution.", 16, 4, 64, log=True),
        ParameterSpec("conv_2_filters", "int", "Channels of the second convolution.", 32, 4, 128, log=True),
        ParameterSpec("kernel_size", "int", "Side of both convolutions' kernels, in pixels.", 3, 1, 5),
        ParameterSpec("learning_rate", "double", "Adam's step size.", 1e-2, 3e-4, 1e-1, log=True),
        ParameterSpec("dropout", "double", "Share of features dropped before the classifier.", 0.2, 0.0, 0.7),
        ParameterSpec("activation", "categorical", "Nonlinearity.", "relu", choices=("relu", "gelu", "tanh")),
        ParameterSpec("batch_size", "int", "Images per training step.", 64, 16, 256, log=True),
    ),
    metrics=(
        _ACCURACY,
        MetricSpec("inference_ms", "minimize", "Time to classify the validation set of 500 images.", "ms"),
    ),
    settings=(
        SettingSpec("epochs", "10", "Passes over the training set."),
        _DEVICE,
        _THREADS,
    ),
)

DIATOMS: Final = Workload(
    name="diatoms",
    summary="The fully convolutional network of Wang et al. (2016) on diatom outlines (UCR Adiac).",
    entry_point="paretune_trainer.workloads.diatoms:diatoms",
    parameters=(
        ParameterSpec("batch_size", "int", "Sequences per training step.", 16, 8, 32),
        ParameterSpec("conv_1_num_filters", "int", "Channels of block 1.", 128, 32, 256),
        ParameterSpec("conv_2_num_filters", "int", "Channels of block 2.", 256, 32, 256),
        ParameterSpec("conv_3_num_filters", "int", "Channels of block 3.", 128, 32, 256),
        ParameterSpec("conv_1_filter_size", "int", "Kernel length of block 1.", 8, 2, 10),
        ParameterSpec("conv_2_filter_size", "int", "Kernel length of block 2.", 5, 2, 10),
        ParameterSpec("conv_3_filter_size", "int", "Kernel length of block 3.", 3, 2, 10),
        ParameterSpec(
            "log_lr", "double", "Natural log of the learning rate.", log(1e-3), log(1e-10), log(1.0)
        ),
        ParameterSpec(
            "log_beta_1", "double", "Natural log of 1 - Adam's beta_1.", log(0.1), log(1e-2), log(0.5)
        ),
        ParameterSpec(
            "log_beta_2", "double", "Natural log of 1 - Adam's beta_2.", log(1e-3), log(1e-6), log(0.5)
        ),
        ParameterSpec(
            "log_epsilon", "double", "Natural log of Adam's epsilon.", log(1e-8), log(1e-10), log(1e-6)
        ),
        ParameterSpec(
            "log_decay",
            "double",
            "Natural log of the per-step decay d of the learning rate, lr / (1 + d step).",
            log(1e-10),
            log(1e-10),
            log(1e-1),
        ),
    ),
    metrics=(
        _ACCURACY,
        MetricSpec("inference_time", "minimize", "Time to classify the 391 validation sequences.", "s"),
    ),
    settings=(
        SettingSpec("framework", "torch", "torch, or keras (on TensorFlow)."),
        SettingSpec("preset", "full", "Fidelity: full (as published), medium or quick."),
        SettingSpec("epochs", "", "Overrides the preset's number of passes over the training set."),
        SettingSpec("data", "", "Folder holding adiac/; else $PARETUNE_DATA, else downloaded and cached."),
        _DEVICE,
        _THREADS,
    ),
)

ROTTEN_TOMATOES: Final = Workload(
    name="rotten_tomatoes",
    summary="Kim's sentence network (2014) on movie reviews: accuracy against training time.",
    entry_point="paretune_trainer.workloads.rotten_tomatoes:rotten_tomatoes",
    parameters=(
        ParameterSpec(
            "dropout_rate", "double", "Share of features dropped before the classifier.", 0.5, 0.1, 0.9
        ),
        ParameterSpec(
            "log_learning_rate",
            "double",
            "Natural log of RMSProp's step size.",
            log(5e-4),
            log(1e-8),
            log(1.0),
        ),
        ParameterSpec("max_grad_norm", "double", "Upper bound of the gradients' norm.", 5.0, 1.0, 10.0),
        ParameterSpec("epochs", "int", "Passes over the training sentences.", 50, 5, 100),
        ParameterSpec("batch_size", "int", "Sentences per training step.", 50, 10, 100),
        ParameterSpec("embed_dim", "int", "Length of a word vector.", 300, 100, 500),
        # The architecture: the space of 6 parameters leaves these four at their defaults.
        ParameterSpec("filter_size_1", "int", "Words the first filters see.", 3, 1, 7),
        ParameterSpec("filter_size_2", "int", "Words the second filters see.", 4, 1, 7),
        ParameterSpec("filter_size_3", "int", "Words the third filters see.", 5, 1, 7),
        ParameterSpec("num_feature_maps", "int", "Filters of each of the three sizes.", 100, 10, 200),
    ),
    metrics=(
        MetricSpec(
            "accuracy",
            "maximize",
            "Share of the 1,000 validation sentences classified correctly; binomial standard error.",
            "%",
        ),
        MetricSpec("training_time", "minimize", "Time of all training steps, without validation.", "s"),
    ),
    settings=(
        SettingSpec("preset", "full", "Fidelity: full (as published), medium or quick."),
        SettingSpec("min_accuracy", "", "Percent below which a trial is infeasible; else the preset's."),
        SettingSpec(
            "max_seconds", "", "Training time beyond which a trial is infeasible; else the preset's."
        ),
        SettingSpec(
            "data", "", "Folder holding rt-polarity/; else $PARETUNE_DATA, else downloaded and cached."
        ),
        _DEVICE,
        _THREADS,
    ),
)

WORKLOADS: Final = (DIGITS, DIATOMS, ROTTEN_TOMATOES)
