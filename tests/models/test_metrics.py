"""Losses and metrics in training: sums over whole epochs, both engines, names, lists, monitors, files, refusals.

Their values are held to Keras in tests/conformance/test_objectives.py; here plain NumPy says what they are.
"""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

import layerscope as ls
from layerscope import callbacks, layers, load_model, losses, metrics
from layerscope.core.errors import DataError, SettingError, ShapeError, UnknownNameError
from layerscope.core.types import TensorType
from layerscope.engine.native import engine as native_engine

RANDOM = np.random.default_rng(3)
P = RANDOM.random((53, 3))
T = (RANDOM.random((53, 3)) > 0.6) * 1.0
IMAGES = RANDOM.random((7, 13, 12, 2))
NOISY = IMAGES + RANDOM.normal(scale=0.1, size=IMAGES.shape)
ENGINES = pytest.mark.parametrize("engine", ["reference", "native"])


def passing(shape, loss="mse", **compiled):
    """A network that hands its input on."""
    model = ls.Sequential([ls.Input(shape), layers.Activation("linear")])
    model.compile("sgd", loss, precision="float64", **compiled)
    return model


def measured(metric, output=P, target=T, batch_size=8, engine="reference"):
    model = passing(output.shape[1:], metrics=[metric], engine=engine)
    return list(model.evaluate(output, target, batch_size=batch_size, return_dict=True).values())[1]


def ratio(marked, truth=T):
    return (marked * truth).sum() / marked.sum()


BY_HAND = {
    "precision": (metrics.Precision(), lambda: ratio(P > 0.5)),
    "recall": (metrics.Recall(thresholds=0.3), lambda: ((P > 0.3) * T).sum() / T.sum()),
    "recalls": (metrics.Recall([0.3, 0.8]), lambda: [((bound < P) * T).sum() / T.sum() for bound in (0.3, 0.8)]),
    "precision of a class": (metrics.Precision(class_id=2), lambda: ratio(P[:, 2] > 0.5, T[:, 2])),
    "precision of the best": (metrics.Precision(top_k=1), lambda: ratio(P.max(1, keepdims=True) == P)),
    "false positives": (metrics.FalsePositives(), lambda: ((P > 0.5) * (1 - T)).sum()),
    "root mean squared error": (metrics.RootMeanSquaredError(), lambda: np.sqrt(((P - T) ** 2).mean())),
    "r2": (metrics.R2Score(), lambda: (1 - ((P - T) ** 2).sum(0) / ((T - T.mean(0)) ** 2).sum(0)).mean()),
    "iou": (metrics.BinaryIoU([1]), lambda: ((P >= 0.5) * T).sum() / np.maximum(P >= 0.5, T).sum()),
    "a loss": (
        losses.Huber(0.2),
        lambda: np.where(abs(P - T) < 0.2, (P - T) ** 2 / 2, 0.2 * abs(P - T) - 0.02).mean(),
    ),
}


@ENGINES
@pytest.mark.parametrize("name", BY_HAND)
def test_a_metric_is_that_of_the_epoch_not_of_its_batches(name, engine):
    """53 examples in batches of 8: the last has 5."""
    metric, expected = BY_HAND[name]
    np.testing.assert_allclose(measured(metric, engine=engine), expected(), rtol=1e-6)


@ENGINES
def test_auc_tends_to_the_share_of_pairs_in_order(engine):
    """Of all pairs of a one and a zero, how many the output puts in order (Hanley & McNeil 1982)."""
    ones, zeros = P[T == 1], P[T == 0]
    pairs = (ones[:, None] > zeros).mean()
    assert measured(metrics.AUC(num_thresholds=2000), engine=engine) == pytest.approx(pairs, abs=2e-3)
    assert measured(metrics.AUC(num_thresholds=3), engine=engine) != pytest.approx(pairs, abs=2e-3)


@ENGINES
def test_f1_of_each_class(engine):
    found = measured(metrics.F1Score(threshold=0.4), engine=engine)
    marked = P > 0.4
    right, wrong, missed = (marked * T).sum(0), (marked * (1 - T)).sum(0), ((1 - marked) * T).sum(0)
    assert isinstance(found, list)
    np.testing.assert_allclose(found, 2 * right / (2 * right + wrong + missed), rtol=1e-6)


def similarity(a, b, size=11, sigma=1.5, top=1.0):
    """SSIM by its definition (Wang et al. 2004), window by window."""
    line = np.exp(-0.5 * ((np.arange(size) - (size - 1) / 2) / sigma) ** 2)
    weights = np.outer(line, line)[..., None] / line.sum() ** 2
    c, d = (0.01 * top) ** 2, (0.03 * top) ** 2
    found = []
    for y in range(a.shape[0] - size + 1):
        for x in range(a.shape[1] - size + 1):
            p, q = (image[y : y + size, x : x + size] for image in (a, b))
            m, n = ((weights * one).sum((0, 1)) for one in (p, q))
            v, w = (weights * (p - m) ** 2).sum((0, 1)), (weights * (q - n) ** 2).sum((0, 1))
            both = (weights * (p - m) * (q - n)).sum((0, 1))
            found.append((2 * m * n + c) * (2 * both + d) / ((m * m + n * n + c) * (v + w + d)))
    return np.mean(found)


@ENGINES
def test_ssim_and_psnr_are_means_over_images(engine):
    expected = np.mean([similarity(a, b) for a, b in zip(IMAGES, NOISY, strict=True)])
    assert measured(metrics.SSIM(), NOISY, IMAGES, 3, engine) == pytest.approx(expected, rel=1e-9)
    model = passing(NOISY.shape[1:], losses.SSIM(), engine=engine)
    assert model.evaluate(NOISY, IMAGES, batch_size=3) == pytest.approx(1 - expected, rel=1e-9)
    errors = ((IMAGES - NOISY) ** 2).mean((1, 2, 3))
    decibels = (10 * np.log10(1 / errors)).mean()
    assert measured(metrics.PSNR(), NOISY, IMAGES, 3, engine) == pytest.approx(decibels, rel=1e-9)
    assert measured(metrics.PSNR(), IMAGES, IMAGES, 3, engine) == np.inf
    assert measured(metrics.SSIM(), IMAGES, IMAGES, 3, engine) == pytest.approx(1)


def classifier(**compiled):
    ls.utils.set_random_seed(0)
    model = ls.Sequential([ls.Input((3,)), layers.Dense(8, activation="tanh"), layers.Dense(1, activation="sigmoid")])
    model.compile(ls.optimizers.Adam(0.05), **{"loss": "binary_focal_crossentropy", **compiled})
    return model


WANTED = ["AUC", "precision", metrics.AUC(curve="PR", name="pr"), metrics.Recall([0.2, 0.5])]
Y = (P[:, :1] > P[:, 1:2]) * 1.0


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_both_engines_count_alike_in_training(threads):
    """Also the metrics of training, which see the weights of each batch."""
    asked = {"batch_size": 8, "epochs": 3, "shuffle": False, "verbose": 0, "validation_split": 0.2}
    histories = []
    for engine in ("reference", "native"):
        model = classifier(metrics=WANTED, precision="float64", engine=engine, threads=threads)
        histories.append(model.fit(P, Y, **asked).history)
    assert list(histories[0]) == [
        f"{own}{name}" for own in ("", "val_") for name in ("loss", "AUC", "precision", "pr", "recall")
    ]
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-9)
    assert np.shape(histories[0]["recall"]) == (3, 2)


def test_results_of_many_batches_are_added_up_in_parts(monkeypatch):
    """AUC has 400 numbers for each batch: memory holds only some batches of them."""
    whole = classifier(metrics=["auc"], engine="native", precision="float64")
    expected = whole.fit(P, Y, batch_size=2, epochs=2, shuffle=False, verbose=0).history
    monkeypatch.setattr(native_engine, "RESULTS", 3 * 401 * 8)
    parts = classifier(metrics=["auc"], engine="native", precision="float64")
    assert parts.fit(P, Y, batch_size=2, epochs=2, shuffle=False, verbose=0).history == expected
    assert parts.evaluate(P, Y, batch_size=1) == whole.evaluate(P, Y, batch_size=1)


def test_two_metrics_of_one_name():
    model = passing((3,), metrics=[metrics.Precision(0.3), metrics.Precision(0.6), "mse", "mse"])
    assert list(model.evaluate(P, T, return_dict=True)) == ["loss", "precision", "precision_1", "mse", "mse_1"]


def test_progress_shows_a_list_by_its_mean(capsys):
    model = passing((3,), metrics=[metrics.Recall([0.0, 1.0])])
    model.evaluate(P, T, verbose=2)
    assert capsys.readouterr().out == "loss 0.4149  recall 0.5000 (mean of 2)\n".replace(
        "0.4149", f"{((P - T) ** 2).mean():.4f}"
    )


def test_a_monitor_asks_the_metric_for_its_direction(tmp_path):
    """`miss` says nothing, and the metric that it names falls; a list has no best."""
    model = classifier(
        metrics=[metrics.FalseNegatives(name="miss"), metrics.AUC(name="area"), metrics.Recall([0.2, 0.5])]
    )
    for monitor, better in (("miss", False), ("area", True), ("val_area", True)):
        stop = callbacks.EarlyStopping(monitor=monitor)
        stop.set_model(model)
        assert stop.better(2.0, 1.0) is better
    log = tmp_path / "log.csv"
    model.fit(P, Y, epochs=2, verbose=0, callbacks=[callbacks.CSVLogger(log)])
    assert log.read_text().splitlines()[0] == "epoch,area,loss,miss,recall,val_area,val_loss,val_miss,val_recall"
    with pytest.raises(SettingError) as caught:
        model.fit(P, Y, verbose=0, callbacks=[callbacks.EarlyStopping(monitor="recall")])
    assert str(caught.value) == (
        "EarlyStopping watches recall, which is 2 numbers, one for each class; let the metric average them "
        "(average='macro', say)"
    )


SAVED = [
    (losses.Huber(0.3), ["mae", metrics.R2Score(None), losses.LogCosh()]),
    (
        losses.Tversky(0.2, 0.8, axis=(1,), reduction="sum"),
        [metrics.AUC(thresholds=[0.2, 0.4]), metrics.Precision(top_k=2)],
    ),
    (losses.BinaryCrossentropy(True, 0.1), [metrics.Accuracy(), metrics.F1Score("macro", 0.4, name="f")]),
    ("kld", ["huber", metrics.BinaryIoU([1], 0.3)]),
]


@pytest.mark.parametrize(("loss", "wanted"), SAVED, ids=["huber", "tversky", "bce", "kld"])
def test_a_saved_model_keeps_all_settings(loss, wanted, tmp_path):
    model = passing((3,), loss, metrics=wanted)
    model.save(tmp_path / "m.npz")
    again = load_model(tmp_path / "m.npz")
    assert [one.to_json() for one in again.losses] == [one.to_json() for one in model.losses]
    assert {name: one.to_json() for name, (_, one) in again.metrics.items()} == {
        name: one.to_json() for name, (_, one) in model.metrics.items()
    }
    assert again.evaluate(P, T) == model.evaluate(P, T)


def forked(**compiled):
    """Two outputs."""
    x = ls.Input((3,), name="x")
    model = ls.Model(x, [layers.Dense(3, "sigmoid", name="a")(x), layers.Dense(1, name="b")(x)])
    model.compile("sgd", **compiled)
    return model


def test_a_saved_model_of_several_outputs_keeps_all_settings(tmp_path):
    model = forked(
        loss=[losses.BinaryCrossentropy(label_smoothing=0.2), None],
        loss_weights=[0.0, 1.0],
        metrics=[["mae", metrics.Precision(0.3), "mae"], ["mse"]],
        weighted_metrics={"a": ["mae", metrics.AUC(num_thresholds=20)], "b": [losses.Huber(0.5)]},
    )
    names = ["a_mae", "a_precision", "a_mae_1", "b_mse", "a_weighted_mae", "a_auc", "b_huber_loss"]
    assert list(model.metrics) == names
    model.save(tmp_path / "m.npz")
    again = load_model(tmp_path / "m.npz")
    assert again.objectives == model.objectives
    given = {"sample_weight": [P[:, 0], P[:, 1]], "return_dict": True}
    assert again.evaluate(P, [T, P[:, 2]], **given) == model.evaluate(P, [T, P[:, 2]], **given)


FORMER = {
    "of one output": (
        lambda **told: passing((3,), **told),
        {"losses": ["binary_crossentropy"], "from_logits": [True], "metrics": ["accuracy", "mae"]},
        {"loss": losses.BinaryCrossentropy(from_logits=True), "metrics": ["accuracy", "mae"]},
    ),
    "of several": (
        forked,
        {"losses": ["mean_squared_error", "mean_absolute_error"], "from_logits": [False] * 2, "metrics": ["mse"]},
        {"loss": ["mse", "mae"], "metrics": [["mse"], []]},
    ),
    "without metrics": (
        forked,
        {"losses": ["mean_squared_error"] * 2, "from_logits": [False] * 2, "metrics": []},
        {"loss": "mse"},
    ),
}


@pytest.mark.parametrize("name", FORMER)
def test_a_model_of_the_form_before_settings_loads(name, tmp_path):
    """When losses and metrics were names, and those of the first output."""
    build, former, told = FORMER[name]
    model = build(**told)
    model.save(tmp_path / "now.npz")
    with zipfile.ZipFile(tmp_path / "now.npz") as now, zipfile.ZipFile(tmp_path / "then.npz", "w") as then:
        for entry in now.namelist():
            content = now.read(entry)
            if entry == "state.json":
                about = json.loads(content)
                kept = {key: about["compiled"][key] for key in ("optimizer", "engine", "threads")}
                content = json.dumps({**about, "compiled": {**kept, **former}})
            then.writestr(entry, content)
    again = load_model(tmp_path / "then.npz")
    assert again.objectives == model.objectives


REFUSED = [
    (lambda: losses.MeanSquaredError(reduction=None), SettingError, "mean_squared_error: reduction must be one of sum_over_batch_size, mean, sum, not None: training needs one number"),
    (lambda: losses.Huber(0), SettingError, "huber_loss: delta must be above 0, not 0"),
    (lambda: losses.BinaryCrossentropy(label_smoothing=2), SettingError, "binary_crossentropy: label_smoothing must be a number from 0 to 1, not 2"),
    (lambda: passing((3,), losses.CosineSimilarity(axis=2)), SettingError, "cosine_similarity: axis must be between 1 and 1 or -1, not 2"),
    (lambda: passing((3,), losses.Dice(axis=(1, 2))), SettingError, "dice: axis must name axes of the output (batch, 3), 0 being the batch, not (1, 2)"),
    (lambda: passing((3,), "ssim"), ShapeError, "ssim compares images (height × width × channels), but the output is (batch, 3)"),
    (lambda: passing((9, 9, 1), "ssim"), ShapeError, "ssim: the window of 11×11 is larger than the image (9, 9, 1). Give a smaller filter_size."),
    (lambda: passing((3,), losses.CategoricalFocalCrossentropy(alpha=[0.5, 0.5])), SettingError, "categorical_focal_crossentropy: alpha has 2 numbers, but the output has 3 classes"),
    (lambda: losses.get(losses.Huber), SettingError, "a loss is an object, but Huber is a class; give Huber()"),
    (lambda: losses.get("hubber"), UnknownNameError, "unknown loss 'hubber'. Did you mean 'huber' or 'huber_loss'?"),
    (lambda: losses.get({"loss": "huber", "settings": {"delta": 0}}), SettingError, "huber_loss: delta must be above 0, not 0"),
    (lambda: losses.get({"loss": "huber", "settings": {"width": 1}}), SettingError, "loss huber: Huber.__init__() got an unexpected keyword argument 'width'"),
    (lambda: passing((3,), metrics=[metrics.AUC]), SettingError, "a metric is an object, but AUC is a class; give AUC()"),
    (lambda: passing((3,), metrics=["mean_io_u"]), SettingError, "the metric MeanIoU needs num_classes: give metrics.MeanIoU(num_classes=...)"),
    (lambda: passing((3,), metrics=["f2_score"]), UnknownNameError, "unknown metric 'f2_score'. Did you mean 'r2_score' or 'f1_score' or 'fbeta_score'?"),
    (lambda: passing((3,), metrics=[losses.Dice()]), SettingError, "dice is a loss of the whole batch (axis=None), of which no mean over examples can be a metric; give it the axes of one example, axis=(1, 2, 3) for images"),
    (lambda: passing((3, 2), metrics=["f1_score"]), ShapeError, "f1_score needs one row of classes for each example, but the output is (batch, 3, 2)"),
    (lambda: metrics.AUC(curve="PRC"), SettingError, "auc: curve must be one of 'ROC', 'PR', 'PRGAIN', not 'PRC'"),
    (lambda: metrics.AUC(num_thresholds=1), SettingError, "auc: num_thresholds must be a whole number from 2, not 1"),
    (lambda: metrics.Precision(1.5), SettingError, "precision: a threshold must be a number from 0 to 1, not 1.5"),
    (lambda: passing((3,), metrics=[metrics.Recall(class_id=3)]), ShapeError, "recall is of the class 3, but the output (batch, 3) has 3, 0 to 2"),
    (lambda: metrics.F1Score("mean"), SettingError, "f1_score: average must be one of None, 'micro', 'macro', 'weighted', not 'mean'"),
    (lambda: metrics.TopKCategoricalAccuracy(0), SettingError, "top_k_categorical_accuracy: k must be a whole number from 1, not 0"),
    (lambda: passing((3,), metrics=[metrics.MeanIoU(4, sparse_y_true=False, sparse_y_pred=False)]), ShapeError, "mean_io_u has 4 classes, but the output is (batch, 3)"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "kind", "message"), REFUSED, ids=[str(number) for number in range(len(REFUSED))])
def test_what_cannot_be_is_refused(make, kind, message):
    with pytest.raises(kind) as caught:
        make()
    assert str(caught.value) == message


VALUES = [
    (losses.Hinge(), np.array([0.5, 1.0]), "hinge takes targets of -1 and 1, or of 0 and 1, but they have 0.5, 1"),
    (
        losses.Poisson(),
        np.array([-1.0]),
        "poisson takes counts of at least 0, but the targets lie between -1 and -1.",
    ),
    (
        losses.Dice(),
        np.array([0.0, 255.0]),
        "dice takes masks between 0 and 1, but the targets lie between 0 and 255. Pixels of 0 to 255 want dividing by 255.",
    ),
    (
        losses.SSIM(),
        np.array([0.0, 255.0]),
        "ssim has max_val=1, but the targets lie between 0 and 255. Give max_val=255, or divide the images.",
    ),
]


@pytest.mark.parametrize(("loss", "targets", "message"), VALUES, ids=["hinge", "poisson", "dice", "ssim"])
def test_targets_outside_are_refused(loss, targets, message):
    with pytest.raises(DataError) as caught:
        loss.check(targets, TensorType((2, 2)))
    assert str(caught.value) == message


def test_ignored_labels_may_be_no_classes():
    loss = losses.SparseCategoricalCrossentropy(ignore_class=-1)
    loss.check(np.array([0, 2, -1]), TensorType((3, 3)))
    model = ls.Sequential([ls.Input((3,)), layers.Activation("softmax")])
    model.compile("sgd", loss, precision="float64")
    labels = np.where(np.arange(53) % 3, RANDOM.integers(0, 3, 53), -1)
    kept = labels >= 0
    assert model.evaluate(P, labels, batch_size=53) == pytest.approx(
        model.evaluate(P[kept], labels[kept], batch_size=53)
    )


def test_every_class_explains_itself():
    for cls in (*losses.CLASSES, *metrics.CLASSES):
        assert cls.__doc__ is not None
        assert cls.__doc__.splitlines()[0].endswith("."), cls


def test_the_command_line_names_losses_that_exist(capsys):
    from layerscope.cli import main

    with pytest.raises(SystemExit):
        main(["train", "--help"])
    text = capsys.readouterr().out.partition("losses:")[2].partition("docs/training.md")[0]
    named = (
        text.replace("(", " ").replace(")", " ").replace(",", " ").replace(";", " ").replace("of labels", " ").split()
    )
    assert len(named) > 15
    for name in named:
        assert losses.known(name), name
