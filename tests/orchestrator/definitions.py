"""Sweep definitions as users of other tools write them, and what each becomes here."""

WANDB = """\
program: train.py
method: bayes
name: my sweep
description: "First line
  and second"
project: digits
entity: somebody
metric: {name: val_loss, goal: minimize, target: 0.1}
run_cap: 40
parameters:
  learning_rate: {distribution: log_uniform_values, min: 1e-5, max: 0.1}
  decay: {distribution: log_uniform, min: -9.21034, max: -2.302585}
  batch_size: {values: [16, 32, 64]}
  epochs: {value: 5}
  layers: {min: 1, max: 8}
  dropout: {min: 0.0, max: 0.5}
  width: {distribution: q_uniform, min: 16, max: 256, q: 16}
  optimizer:
    parameters:
      name: {values: [adam, sgd], probabilities: [0.9, 0.1]}
      beta: {distribution: normal, mu: 0.9, sigma: 0.01}
early_terminate: {type: hyperband, min_iter: 3}
command: ["${env}", "${interpreter}", "${program}", --amp, "${args}"]
"""

WANDB_GRID = """\
program: src/train.py
method: grid
run_cap: 9
metric: {name: accuracy, goal: maximize}
parameters:
  seed: {values: [0, 1, 2]}
  depth: {min: 2, max: 4}
  rate: {min: 0.1, max: 0.5}
command: [python3, "${program}", "${args_no_hyphens}"]
"""

HYDRA = """\
defaults:
  - _self_
  - override hydra/sweeper: optuna
optimized_metric: val/acc
hydra:
  sweeper:
    _target_: hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper
    direction: maximize
    n_trials: 20
    n_jobs: 2
    sampler: {_target_: optuna.samplers.TPESampler, seed: 7}
    params:
      model.lr: tag(log, interval(0.0001, 0.1))
      data.batch_size: choice(32, 64, 128)
      model.width: range(32, 256, step=32)
      model/encoder: small,large
      trainer.epochs: 3
"""

MULTIRUN = """\
hydra:
  sweeper: {_target_: hydra._internal.core_plugins.basic_sweeper.BasicSweeper, params: null}
  overrides:
    hydra: [hydra.mode=MULTIRUN]
    task: ["optimizer=adam,sgd", "optimizer.lr=0.1,0.01", "n=range(1,4)", "+note='a, b'"]
  job: {name: fit, config_name: main}
"""

KATIB = """\
---
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata: {namespace: kubeflow, name: digits}
spec:
  objective: {type: maximize, goal: 0.99, objectiveMetricName: accuracy}
  algorithm:
    algorithmName: bayesianoptimization
    algorithmSettings: [{name: random_state, value: "10"}, {name: base_estimator, value: GP}]
  earlyStopping:
    algorithmName: medianstop
    algorithmSettings: [{name: min_trials_required, value: "5"}]
  parallelTrialCount: 3
  maxTrialCount: 12
  maxFailedTrialCount: 2
  parameters:
    - {name: lr, parameterType: double, feasibleSpace: {min: "0.01", max: "0.05"}}
    - {name: num-layers, parameterType: int, feasibleSpace: {min: "2", max: "5"}}
    - {name: optimizer, parameterType: categorical, feasibleSpace: {list: [sgd, adam]}}
    - {name: batch, parameterType: discrete, feasibleSpace: {list: ["32", "64"]}}
  trialTemplate:
    primaryContainerName: training
    trialParameters:
      - {name: learningRate, reference: lr}
      - {name: layers, reference: num-layers}
      - {name: optimizer, reference: optimizer}
      - {name: batch, reference: batch}
    trialSpec:
      apiVersion: batch/v1
      kind: Job
      spec:
        template:
          spec:
            containers:
              - name: sidecar
                image: proxy
              - name: training
                image: registry/digits:1
                command: [python3, /opt/digits/train.py, --epochs=1]
                args:
                  - --lr=${trialParameters.learningRate}
                  - --num_layers
                  - ${trialParameters.layers}
                  - --optimizer=${trialParameters.optimizer}
                  - ${trialParameters.batch}
                resources: {limits: {memory: 1Gi, cpu: 500m, nvidia.com/gpu: 1}}
"""

KATIB_GRID = """\
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata: {name: grid}
spec:
  objective: {type: minimize, objectiveMetricName: loss}
  algorithm: {algorithmName: grid}
  parameters:
    - {name: --lr, parameterType: double, feasibleSpace: {min: "0.1", max: "0.3", step: "0.1"}}
    - {name: --layers, parameterType: int, feasibleSpace: {min: "1", max: "3"}}
  trialTemplate: {configMap: {configMapName: templates}}
"""

DETERMINED = """\
name: digits
labels: [vision]
data: {url: bucket}
entrypoint: python3 -m determined.launch.torch_distributed python3 train.py --amp
hyperparameters:
  learning_rate: {type: log, minval: -4, maxval: -1, base: 10}
  global_batch_size: 64
  filters: {type: int, minval: 8, maxval: 64}
  optimizer: {type: categorical, vals: [adam, sgd]}
  schedule:
    warmup: {type: double, minval: 0.0, maxval: 0.2}
    kind_of: {type: const, val: cosine}
searcher:
  name: adaptive_asha
  metric: validation_accuracy
  smaller_is_better: false
  max_trials: 16
  max_concurrent_trials: 4
  max_length: {batches: 937}
resources: {slots_per_trial: 2, resource_pool: big}
environment: {environment_variables: [TOKEN=secret], image: custom}
max_restarts: 3
"""

DETERMINED_GRID = """\
entrypoint: model_def:Trial
hyperparameters:
  rate: {type: log, minval: -3, maxval: -1, base: 10, count: 3}
  depth: {type: int, minval: 1, maxval: 9, count: 3}
  width: {type: int, minval: 1, maxval: 3, count: 9}
  drop: {type: double, minval: 0.0, maxval: 0.5, count: 2}
searcher: {name: grid, metric: loss}
"""
