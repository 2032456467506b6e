#!/usr/bin/env python3
# scikit-learn on random answers → tests/golden/metrics.json: what every metric of a model should be.
"""Needs scikit-learn 1.5 or later. Run without arguments; it writes beside itself and changes nothing else."""
import json
import pathlib

import numpy as np
from sklearn import metrics as m

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(11)


def plain(x):
    return [float(f"{v:.9g}") for v in np.asarray(x, dtype=np.float64).ravel()]


def classes(count, n, ties):
    labels = np.concatenate([np.arange(count), rng.integers(0, count, n - count)])
    logits = rng.normal(size=(n, count)) + 1.5 * np.eye(count)[labels]
    if ties:
        logits = np.round(logits)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    p = np.round(p.astype(np.float32), 6)
    p = (p / p.sum(1, keepdims=True)).astype(np.float32)
    given = p.argmax(1)
    hot = np.eye(count)[labels]
    scores, truth = (p[:, 1:], hot[:, 1:]) if count == 2 else (p, hot)
    want = {
        "accuracy": m.accuracy_score(labels, given),
        "balanced_accuracy": m.balanced_accuracy_score(labels, given),
        "macro_f1": m.f1_score(labels, given, average="macro", zero_division=0),
        "log_loss": -np.mean(np.log(np.clip(p[np.arange(n), labels].astype(np.float64), 1.1920929e-07, 1 - 1.1920929e-07))),
        "roc_auc": np.mean([m.roc_auc_score(truth[:, c], scores[:, c]) for c in range(scores.shape[1])]),
        "average_precision": np.mean([m.average_precision_score(truth[:, c], scores[:, c]) for c in range(scores.shape[1])]),
    }
    return {"task": "classes", "width": count, "labels": labels.tolist(), "scores": plain(p), "want": want}


def several(width, n):
    truth = rng.integers(0, 2, (n, width))
    p = np.clip(0.5 + 0.3 * (truth - 0.5) + 0.3 * rng.normal(size=(n, width)), 0.001, 0.999).round(3).astype(np.float32)
    said = (p >= 0.5).astype(int)
    want = {
        "accuracy": m.accuracy_score(truth, said),
        "macro_f1": m.f1_score(truth, said, average="macro", zero_division=0),
        "log_loss": np.mean([m.log_loss(truth[:, j], p[:, j].astype(np.float64)) for j in range(width)]),
        "roc_auc": m.roc_auc_score(truth, p, average="macro"),
        "average_precision": m.average_precision_score(truth, p, average="macro"),
    }
    return {"task": "labels", "width": width, "truth": plain(truth), "scores": plain(p), "want": want}


def values(width, n):
    truth = (100 * rng.normal(size=(n, width))).round(2).astype(np.float32)
    said = (truth + 30 * rng.normal(size=(n, width))).round(2).astype(np.float32)
    want = {
        "mae": m.mean_absolute_error(truth, said),
        "rmse": np.mean([np.sqrt(m.mean_squared_error(truth[:, j], said[:, j])) for j in range(width)]),
        "r2": m.r2_score(truth, said),
        "pinball": m.mean_pinball_loss(truth, said, alpha=0.3),
    }
    return {"task": "values", "width": width, "truth": plain(truth), "scores": plain(said), "want": want}


CASES = [classes(2, 60, False), classes(2, 60, True), classes(3, 80, False), classes(7, 90, True), several(3, 70), values(1, 50),
         values(3, 50)]
for case in CASES:
    case["want"] = {k: float(v) for k, v in case["want"].items()}
(HERE / "metrics.json").write_text("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in CASES) + "\n]\n")
