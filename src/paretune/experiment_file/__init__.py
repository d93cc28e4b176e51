"""Experiments as YAML files: read, checked to the line, and written back.

    name: digits
    workload: digits
    parameters:
      - {name: learning_rate, type: double, min: 1e-4, max: 1e-1, log: true}
      - {name: activation, type: categorical, choices: [relu, gelu]}
    metrics:
      - {name: accuracy, goal: maximize}
      - {name: inference_ms, goal: minimize, unit: ms, threshold: 5.0}
    observation_budget: 40
    fidelity: epochs 5..500         # a whole training has 500 epochs, and 5 say something
    early_stopping: true            # [feasibility, dominated], or also halving

Instead of `workload: digits` a program in any language: `command: node train.js --lr {learning_rate}`.

A mistake is told in one line: file, line, field, what is wrong and what was probably meant.

`yaml_source` knows lines, `entries` what may stand where, `reading` what it means, `writing` the way back.
"""

from paretune.experiment_file.reading import load_experiment, parse_experiment
from paretune.experiment_file.writing import dump_experiment

__all__ = ["dump_experiment", "load_experiment", "parse_experiment"]
