"""What lies in a run directory, `runs/<name>/`, and in a comparison's folder. The one place that names these files."""

RECIPE = "recipe.yaml"  # the resolved recipe, of a run or of a comparison

# a run
ENVIRONMENT = "environment.json"  # versions, commit, hardware, seed, the command and the folder it ran in
METRICS = "metrics.jsonl"  # what the trainer logs, one object a step
CHECKPOINTS = "checkpoints"
COMPLETIONS = "completions"  # rollouts with their scores and evidence, `*.parquet`
TENSORBOARD = "tensorboard"
INITIAL = "initial"  # the weights that a preset began with, for the rollouts
HELD_OUT = "held_out.jsonl"  # metrics of held-out answers amid the training, one object an evaluation
BEST = "best"  # the checkpoint with the best of them, and which it is in `best.json`
SYNC = "sync"  # the weights that rollout servers have, which one gets again after a restart
STOPPED = "stopped"  # the batch of a step whose loss, gradient or weights are not finite
QUERIES = "queries"  # pretrain with text queries only: the head that answers them
MODEL = "model"  # the trained checkpoint
FINISHED = "finished.json"  # steps and time; written last
BASELINE = "baseline"  # the stage in the recipe of a baseline, whose answers are no model's
# <split>.jsonl and its label <split>.json; the same with -sampled (several answers), and with the name of a condition
# (`evaluation.conditions`): -shuffled, -no-signal, -no-page, -nothing, -other-page
PREDICTIONS = "predictions"
# a comparison
COMPARISON = "compare.json"
ZERO_SHOT = "zero-shot.json"  # areas under the ROC curve of text queries
HEADROOM = "headroom.json"  # of --headroom
REPORT = "report.html"
PROBE = "probe"  # .json, .html; probe-hearts or probe-records, the split of its records
CARD = "card"  # .html, .md, .csv, .tex
